// prctl: names, death signal, dumpable, keepcaps, no_new_privs, subreaper, timer slack, securebits; errors.
#include "check.h"

int main(void) {
	char name[17] = {0};
	SHOW(prctl(PR_SET_NAME, "short"));
	SHOW(prctl(PR_GET_NAME, name));
	say("%s\n", name);
	SHOW(prctl(PR_SET_NAME, "exactly-fifteen-and-more"));
	SHOW(prctl(PR_GET_NAME, name));
	say("%s %zu\n", name, strlen(name));
	SHOW(prctl(PR_SET_NAME, ""));
	SHOW(prctl(PR_GET_NAME, name));
	say("[%s]\n", name);
	SHOW(prctl(PR_SET_NAME, "with (paren) x"));
	say("comm %s", cat("/proc/self/comm"));
	SHOW(prctl(PR_SET_NAME, WILD));
	SHOW(prctl(PR_GET_NAME, WILD));
	int sig = -1;
	SHOW(prctl(PR_SET_PDEATHSIG, SIGHUP));
	SHOW(prctl(PR_GET_PDEATHSIG, &sig));
	say("%s\n", sname(sig));
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_GET_PDEATHSIG, &sig);
		_exit(sig);
	}
	say("not inherited: %s\n", wname(reap(pid)));
	SHOW(prctl(PR_SET_PDEATHSIG, 0));
	SHOW(prctl(PR_SET_PDEATHSIG, 65));
	SHOW(prctl(PR_GET_PDEATHSIG, WILD));
	SHOW(prctl(PR_GET_DUMPABLE));
	SHOW(prctl(PR_SET_DUMPABLE, 0));
	SHOW(prctl(PR_GET_DUMPABLE));
	SHOW(prctl(PR_SET_DUMPABLE, 2));
	SHOW(prctl(PR_SET_DUMPABLE, 1));
	SHOW(prctl(PR_GET_KEEPCAPS));
	SHOW(prctl(PR_SET_KEEPCAPS, 1));
	SHOW(prctl(PR_GET_KEEPCAPS));
	SHOW(prctl(PR_SET_KEEPCAPS, 2));
	SHOW(prctl(PR_SET_KEEPCAPS, 0));
	SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	SHOW(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
	SHOW(prctl(PR_SET_NO_NEW_PRIVS, 1, 1, 0, 0));
	SHOW(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	SHOW(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
	pid = fork();
	if (pid == 0) _exit(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	say("inherited: %s\n", wname(reap(pid)));
	int is = -1;
	SHOW(prctl(PR_GET_CHILD_SUBREAPER, &is));
	say("subreaper %d\n", is);
	SHOW(prctl(PR_SET_CHILD_SUBREAPER, 1));
	SHOW(prctl(PR_GET_CHILD_SUBREAPER, &is));
	say("subreaper %d\n", is);
	SHOW(prctl(PR_SET_CHILD_SUBREAPER, 0));
	SHOW(prctl(PR_SET_TIMERSLACK, 12345));
	SHOW(prctl(PR_GET_TIMERSLACK));
	SHOW(prctl(PR_GET_SECCOMP));
	SHOW(prctl(PR_GET_TIMING));
	SHOW(prctl(PR_SET_TIMING, 1));
	SHOW(prctl(PR_GET_SECUREBITS));
	SHOW(prctl(9999, 0, 0, 0, 0));
	SHOW(prctl(-1, 0, 0, 0, 0));
	SHOW(syscall(SYS_personality, 0xffffffff));
	return 0;
}

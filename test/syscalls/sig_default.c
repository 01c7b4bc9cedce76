// The default action of every signal; which of them would dump core (with core files switched off the bit is 0 and the code CLD_KILLED).
#include "check.h"

static int sig;

static void victim(void) {
	prctl(PR_SET_DUMPABLE, 0);
	signal(sig, SIG_DFL);
	raise(sig);
	_exit(77);
}

static void ignorer(void) {
	signal(sig, SIG_IGN);
	raise(sig);
	_exit(78);
}

static void from_outside(void) {
	prctl(PR_SET_DUMPABLE, 0);
	for (;;) pause();
}

int main(void) {
	for (sig = 1; sig <= SIGRTMAX; sig++) {
		if (sig == 32 || sig == 33 || (sig > SIGRTMIN + 1 && sig < SIGRTMAX)) continue;
		pid_t pid = spawn(victim);
		setpgid(pid, pid);  // a group with a parent outside it: terminal stops work
		int status;
		siginfo_t info;
		memset(&info, 0, sizeof info);
		waitid(P_PID, (id_t)pid, &info, WEXITED | WSTOPPED | WNOWAIT);
		MUST(waitpid(pid, &status, WUNTRACED));
		say("%s: %s, core %d, code %d", sname(sig), wname(status), WIFSIGNALED(status) && WCOREDUMP(status), info.si_code);
		if (WIFSTOPPED(status)) {
			kill(pid, SIGCONT);
			say(", then %s", wname(reap(pid)));
		}
		pid = spawn(ignorer);
		waitpid(pid, &status, WUNTRACED);
		say("; ignored: %s\n", wname(status));
		if (WIFSTOPPED(status)) {
			kill(pid, SIGKILL);
			reap(pid);
		}
	}
	static const int list[] = {SIGTERM, SIGQUIT, SIGUSR1, SIGSYS, SIGVTALRM, SIGPIPE};
	for (size_t i = 0; i < COUNT(list); i++) {
		pid_t pid = spawn(from_outside);
		kill(pid, list[i]);
		say("sent %s: %s\n", sname(list[i]), wname(reap(pid)));
	}
	return 0;
}

// waitid(2): siginfo fields, WNOWAIT, WSTOPPED, WCONTINUED, P_ALL, P_PID, P_PGID, errors.
#include "check.h"

static siginfo_t info;

static void show(const char *label, pid_t pid) {
	static const char *codes[] = {"0", "CLD_EXITED", "CLD_KILLED", "CLD_DUMPED", "CLD_TRAPPED", "CLD_STOPPED", "CLD_CONTINUED"};
	say("%s: signo %s code %s pid %s uid %d status %d\n", label, info.si_signo == 0 ? "0" : sname(info.si_signo), info.si_code >= 0 && info.si_code <= 6 ? codes[info.si_code] : "?", info.si_pid == pid ? "child" : info.si_pid == 0 ? "0" : "other", (int)info.si_uid, info.si_status);
	memset(&info, 0x55, sizeof info);
}

static void sleeper(void) {
	for (;;) pause();
}

static void nine(void) { _exit(9); }
static void as_other(void) {
	MUST(setresuid(1234, 1234, 1234));
	_exit(300);
}

int main(void) {
	SHOW(waitid(P_ALL, 0, &info, WEXITED));
	SHOW(waitid(P_ALL, 0, &info, 0));
	SHOW(waitid(P_ALL, 0, &info, WNOHANG));
	SHOW(waitid(99, 0, &info, WEXITED));
	SHOW(waitid(P_PID, 0, &info, WEXITED));
	SHOW(waitid(P_PGID, (id_t)-5, &info, WEXITED));
	SHOW(waitid(P_ALL, 0, &info, WEXITED | 0x100));
	pid_t pid = spawn(nine);
	SHOW(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT));
	show("WNOWAIT", pid);
	SHOW(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT | WNOHANG));
	show("again", pid);
	SHOW(waitid(P_PID, (id_t)pid, &info, WSTOPPED | WNOHANG));
	show("not WEXITED", pid);
	SHOW(waitid(P_ALL, 0, &info, WEXITED));
	show("reaped", pid);
	SHOW(waitid(P_PID, (id_t)pid, &info, WEXITED));
	pid = spawn(sleeper);
	SHOW(waitid(P_PID, (id_t)pid, &info, WEXITED | WSTOPPED | WCONTINUED | WNOHANG));
	show("nothing yet", pid);
	kill(pid, SIGSTOP);
	SHOW(waitid(P_PID, (id_t)pid, &info, WSTOPPED));
	show("stopped", pid);
	SHOW(waitid(P_PID, (id_t)pid, &info, WSTOPPED | WNOHANG));
	show("told once", pid);
	kill(pid, SIGCONT);
	SHOW(waitid(P_PID, (id_t)pid, &info, WCONTINUED | WNOWAIT));
	show("continued, WNOWAIT", pid);
	SHOW(waitid(P_PID, (id_t)pid, &info, WCONTINUED));
	show("continued", pid);
	SHOW(waitid(P_PID, (id_t)pid, &info, WCONTINUED | WNOHANG));
	show("told once", pid);
	kill(pid, SIGTERM);
	SHOW(waitid(P_PGID, 0, &info, WEXITED));
	show("killed", pid);
	pid = spawn(as_other);
	SHOW(waitid(P_PGID, (id_t)getpgrp(), &info, WEXITED));
	show("status above 255", pid);
	pid = spawn(nine);
	SHOW(waitid(P_PID, (id_t)pid, NULL, WEXITED));
	pid = spawn(nine);
	struct rusage usage;
	memset(&usage, 0xff, sizeof usage);
	SHOW(syscall(SYS_waitid, P_PID, pid, &info, WEXITED, &usage));
	YES("rusage filled", usage.ru_utime.tv_sec >= 0 && usage.ru_utime.tv_sec < 5);
	pid = spawn(nine);
	SHOW(syscall(SYS_waitid, P_PID, pid, WILD, WEXITED, NULL));
	SHOW(syscall(SYS_waitid, P_PID, pid, NULL, WEXITED, NULL));
	return 0;
}

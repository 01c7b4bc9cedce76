// SIGCHLD: its siginfo, ignored SIGCHLD and SA_NOCLDWAIT reap by themselves, SA_NOCLDSTOP, one signal for many children.
#include "check.h"

static volatile sig_atomic_t count;
static siginfo_t last;

static void handler(int sig, siginfo_t *info, void *context) {
	(void)sig;
	(void)context;
	count++;
	last = *info;
}

static void wait_count(int n) {
	for (int i = 0; i < 5000 && count < n; i++) sleep_ms(1);
}

static void three(void) { _exit(3); }
static void sleeper(void) {
	for (;;) pause();
}

int main(void) {
	struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};
	sigaction(SIGCHLD, &action, NULL);
	pid_t pid = spawn(three);
	wait_count(1);
	say("exited: code %d status %d pid %s uid %d\n", last.si_code == CLD_EXITED, last.si_status, yes(last.si_pid == pid), (int)last.si_uid);
	YES("child waits to be reaped", waitpid(pid, NULL, WNOHANG) == pid);
	count = 0;
	pid = spawn(sleeper);
	kill(pid, SIGSTOP);
	wait_count(1);
	say("stopped: %d %s\n", last.si_code == CLD_STOPPED, sname(last.si_status));
	kill(pid, SIGCONT);
	wait_count(2);
	say("continued: %d %s\n", last.si_code == CLD_CONTINUED, sname(last.si_status));
	kill(pid, SIGKILL);
	wait_count(3);
	say("killed: %d %s, count %d\n", last.si_code == CLD_KILLED, sname(last.si_status), count);
	reap(pid);
	// SA_NOCLDSTOP: only the end is told.
	count = 0;
	action.sa_flags |= SA_NOCLDSTOP;
	sigaction(SIGCHLD, &action, NULL);
	pid = spawn(sleeper);
	int status;
	kill(pid, SIGSTOP);
	waitpid(pid, &status, WUNTRACED);
	kill(pid, SIGCONT);
	waitpid(pid, &status, WCONTINUED);
	say("with SA_NOCLDSTOP: %d\n", count);
	kill(pid, SIGTERM);
	reap(pid);
	wait_count(1);
	say("at the end: %d\n", count);
	// Ten children while it is blocked: one pending signal.
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	count = 0;
	pid_t pids[10];
	for (int i = 0; i < 10; i++) pids[i] = spawn(three);
	for (int i = 0; i < 10; i++) {
		siginfo_t info;
		waitid(P_PID, (id_t)pids[i], &info, WEXITED | WNOWAIT);
	}
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	say("delivered for ten children: %d\n", count);
	int reaped = 0;
	while (wait(NULL) > 0) reaped++;
	say("reaped: %d\n", reaped);
	// Ignored: children vanish, wait blocks until the last is gone and fails with ECHILD.
	signal(SIGCHLD, SIG_IGN);
	pid = spawn(three);
	SHOW(waitpid(pid, &status, 0));
	for (int i = 0; i < 5; i++) spawn(three);
	SHOW(wait(&status));
	action.sa_flags = SA_SIGINFO | SA_NOCLDWAIT;
	sigaction(SIGCHLD, &action, NULL);
	count = 0;
	pid = spawn(three);
	say("SA_NOCLDWAIT: %s\n", waitpid(pid, &status, 0) < 0 ? ename(errno) : "reaped");
	wait_count(1);
	say("and the handler ran: %d\n", count);
	// Ignoring after the child became a zombie changes nothing for that one.
	signal(SIGCHLD, SIG_DFL);
	pid = spawn(three);
	siginfo_t info;
	waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
	signal(SIGCHLD, SIG_IGN);
	YES("zombie from before", waitpid(pid, &status, 0) == pid);
	return 0;
}

// wait4 and waitpid: order, WNOHANG, selection by pid and group, statuses, EINTR, errors.
#include "check.h"

static void handler(int sig) { (void)sig; }
static void five(void) { _exit(5); }
static void sleeper(void) {
	for (;;) pause();
}

int main(void) {
	int status = 0;
	struct rusage usage;
	SHOW(wait(&status));
	SHOW(waitpid(-1, &status, WNOHANG));
	SHOW(waitpid(getpid(), &status, 0));
	SHOW(waitpid(1, &status, WNOHANG));
	SHOW(waitpid(-1, &status, 0x100));
	SHOW(waitpid(INT_MIN, &status, WNOHANG));
	pid_t a = spawn(five), b = spawn(sleeper);
	YES("waitpid for a", waitpid(a, &status, 0) == a);
	say("%s\n", wname(status));
	SHOW(waitpid(a, &status, 0));
	SHOW(waitpid(b, &status, WNOHANG));
	SHOW(waitpid(-1, &status, WNOHANG));
	SHOW(waitpid(0, &status, WNOHANG));
	SHOW(waitpid(-getpgrp(), &status, WNOHANG));
	kill(b, SIGTERM);
	YES("wait4", wait4(b, &status, 0, &usage) == b);
	say("%s\n", wname(status));
	// By process group.
	pid_t c = spawn(sleeper), d = spawn(sleeper);
	MUST(setpgid(c, c));
	MUST(setpgid(d, c));
	SHOW(waitpid(0, &status, WNOHANG));
	SHOW(waitpid(-c, &status, WNOHANG));
	kill(-c, SIGKILL);
	pid_t one = waitpid(-c, &status, 0);
	YES("one of the group", one == c || one == d);
	pid_t two = waitpid(-c, &status, 0);
	YES("the other", two != one && (two == c || two == d));
	SHOW(waitpid(-c, &status, 0));
	// A NULL status, a bad one.
	pid_t e = spawn(five);
	YES("NULL status", waitpid(e, NULL, 0) == e);
	e = spawn(five);
	sleep_ms(10);
	while (syscall(SYS_wait4, e, WILD, WNOHANG, NULL) == 0) sleep_ms(1);
	say("wild status: %s\n", ename(errno));
	say("the child is gone then: %s\n", waitpid(e, &status, 0) < 0 ? ename(errno) : "no");
	// A signal handler interrupts; SA_RESTART goes on waiting.
	struct sigaction action = {.sa_handler = handler};
	sigaction(SIGALRM, &action, NULL);
	b = spawn(sleeper);
	ticks(20);
	SHOW(waitpid(b, &status, 0));
	ticks(0);
	kill(b, SIGKILL);
	say("%s\n", wname(reap(b)));
	action.sa_flags = SA_RESTART;
	sigaction(SIGALRM, &action, NULL);
	b = fork();
	if (b == 0) {
		sleep_ms(60);
		_exit(8);
	}
	ticks(20);
	YES("restarted", waitpid(b, &status, 0) == b);
	ticks(0);
	say("%s\n", wname(status));
	// Children ended in a known order are all found.
	int seen[10] = {0};
	for (int i = 0; i < 10; i++) {
		if (fork() == 0) _exit(i);
	}
	while (wait(&status) > 0) seen[WEXITSTATUS(status)]++;
	int exactly_once = 1;
	for (int i = 0; i < 10; i++) exactly_once &= seen[i] == 1;
	YES("each once", exactly_once);
	return 0;
}

// siglongjmp and longjmp out of handlers: mask restored or not, from faults, from timers, thousands of times, from nested handlers.
#include "check.h"

static sigjmp_buf buffer;
static volatile int outer_runs;

static void jump(int sig) { siglongjmp(buffer, sig); }

static void nested(int sig) {
	(void)sig;
	outer_runs++;
	raise(SIGUSR2);  // its handler jumps out of both
}

static int blocked(int sig) {
	sigset_t mask;
	sigprocmask(SIG_SETMASK, NULL, &mask);
	return sigismember(&mask, sig);
}

int main(void) {
	signal(SIGUSR1, jump);
	signal(SIGSEGV, jump);
	int result = sigsetjmp(buffer, 1);
	if (result == 0) raise(SIGUSR1);
	say("mask saved: %s, blocked %d\n", sname(result), blocked(SIGUSR1));
	result = sigsetjmp(buffer, 0);
	if (result == 0) raise(SIGUSR1);
	say("mask not saved: %s, blocked %d\n", sname(result), blocked(SIGUSR1));
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	volatile int count = 0;
	for (volatile int i = 0; i < 2000; i++) {
		if (sigsetjmp(buffer, 1) == 0) *(volatile int *)LOW = i;
		else count++;
	}
	say("faults survived: %d\n", count);
	signal(SIGUSR1, nested);
	signal(SIGUSR2, jump);
	result = sigsetjmp(buffer, 1);
	if (result == 0) raise(SIGUSR1);
	say("out of two handlers: %s, outer runs %d, blocked %d %d\n", sname(result), outer_runs, blocked(SIGUSR1), blocked(SIGUSR2));
	// Out of a busy loop by a timer, and out of a blocking read.
	signal(SIGALRM, jump);
	struct itimerval timer = {{0, 0}, {0, 20000}};
	result = sigsetjmp(buffer, 1);
	if (result == 0) {
		setitimer(ITIMER_REAL, &timer, NULL);
		for (volatile long i = 0;; i++) {
		}
	}
	say("out of a loop: %s\n", sname(result));
	int fds[2];
	MUST(pipe(fds));
	result = sigsetjmp(buffer, 1);
	if (result == 0) {
		setitimer(ITIMER_REAL, &timer, NULL);
		char c;
		(void)!read(fds[0], &c, 1);
	}
	say("out of read: %s\n", sname(result));
	MUST(write(fds[1], "ok", 2));
	char text[3] = {0};
	MUST(read(fds[0], text, 2));
	say("pipe still works: %s\n", text);
	return 0;
}

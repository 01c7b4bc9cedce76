// Handlers in handlers: twenty deep with different signals, masks at each depth, stack usage, and return in reverse order.
#include "check.h"

static volatile int trace[64], count;

static int blocked_count(void) {
	sigset_t mask;
	int n = 0;
	sigprocmask(SIG_SETMASK, NULL, &mask);
	for (int sig = SIGRTMIN; sig <= SIGRTMAX; sig++) n += sigismember(&mask, sig) == 1;
	return n;
}

static void handler(int sig) {
	int level = sig - SIGRTMIN;
	volatile char on_stack[2000];
	memset((char *)on_stack, level, sizeof on_stack);
	trace[count++] = blocked_count();
	if (level < 19) raise(sig + 1);
	trace[count++] = -level;
	for (size_t i = 0; i < sizeof on_stack; i++) {
		if (on_stack[i] != level) _exit(9);
	}
}

static volatile int burst;
static void count_only(int sig) {
	(void)sig;
	burst++;
}

int main(void) {
	struct sigaction action = {.sa_handler = handler};
	for (int sig = SIGRTMIN; sig < SIGRTMIN + 20; sig++) sigaction(sig, &action, NULL);
	raise(SIGRTMIN);
	for (int i = 0; i < count; i++) say(" %d", trace[i]);
	say("\nblocked in the end: %d\n", blocked_count());
	// A burst: two children send thousands of signals; the receiver does its work in between and nothing breaks.
	signal(SIGUSR1, count_only);
	signal(SIGUSR2, count_only);
	pid_t parent = getpid(), pids[2];
	for (int k = 0; k < 2; k++) {
		pids[k] = fork();
		if (pids[k] == 0) {
			for (int i = 0; i < 2000; i++) kill(parent, k == 0 ? SIGUSR1 : SIGUSR2);
			_exit(0);
		}
	}
	long sum = 0;
	for (int alive = 2; alive > 0;) {
		for (int i = 0; i < 1000; i++) sum += getpid() == parent;
		alive -= waitpid(-1, NULL, WNOHANG) > 0;
	}
	YES("signals arrived", burst > 0 && burst <= 4000);
	YES("work done in between", sum > 0 && sum % 1000 == 0);
	return 0;
}

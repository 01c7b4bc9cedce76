// sigaction(2) that only asks, many times in a row: what every thread, child and program sees after an action has changed.
#include "check.h"

#include <pthread.h>

struct kernel_sigaction {
	void *handler;
	unsigned long flags;
	void *restorer;
	unsigned long mask;
};

static void handler(int sig) { (void)sig; }

// One place in the program, so that it becomes a busy one.
__attribute__((noinline)) static long ask(long sig, struct kernel_sigaction *old, long size) {
	return syscall(SYS_rt_sigaction, sig, NULL, old, size);
}

// How many of the 64 signals are not the default in all respects.
static int changed(void) {
	int n = 0;
	static const struct kernel_sigaction zero;
	for (int sig = 1; sig <= 64; sig++) {
		struct kernel_sigaction old;
		memset(&old, 0xff, sizeof old);
		if (ask(sig, &old, 8) != 0) say("signal %d: error\n", sig);
		if (memcmp(&old, &zero, sizeof old) != 0) n++;
	}
	return n;
}

static volatile int turn;

static void wait_for(int n) {
	while (turn != n) sched_yield();
}

static void *other(void *arg) {
	(void)arg;
	for (int i = 0; i < 50; i++) {
		wait_for(2 * i + 1);
		struct sigaction action = {.sa_handler = i % 2 == 0 ? handler : SIG_DFL, .sa_flags = SA_RESTART};
		sigaction(SIGUSR1 + i % 3, &action, NULL);
		turn = 2 * i + 2;
	}
	return NULL;
}

// Shares actions, but not the process.
static int sharer(void *arg) {
	(void)arg;
	struct sigaction action = {.sa_handler = handler};
	sigaction(SIGWINCH, &action, NULL);
	syscall(SYS_exit, 0);
	return 0;
}

static char stack[65536] __attribute__((aligned(16)));

int main(int argc, char **argv) {
	if (argc > 1) {
		int first = changed();
		for (int i = 0; i < 5; i++) changed();
		say("a program: %d, later %d\n", first, changed());
		return 0;
	}
	for (int i = 0; i < 20; i++) changed();
	say("at first: %d\n", changed());
	say("null: %ld, size: %s, ", ask(SIGUSR1, NULL, 8), ask(SIGUSR1, NULL, 4) == 0 ? "0" : strerror(errno));
	say("no signal: %s, ", ask(65, NULL, 8) == 0 ? "0" : strerror(errno));
	say("nowhere: %s, ", ask(SIGUSR1, LOW, 8) == 0 ? "0" : strerror(errno));
	say("not canonical: %s, ", ask(SIGUSR1, WILD, 8) == 0 ? "0" : strerror(errno));
	say("kernel: %s\n", ask(SIGUSR1, KERNEL_HALF, 8) == 0 ? "0" : strerror(errno));
	char *page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(page + PAGE, PAGE, PROT_NONE);
	memset(page, 1, PAGE);
	say("across an end: %s\n", ask(SIGUSR1, (void *)(page + PAGE - 16), 8) == 0 ? "0" : strerror(errno));
	say("before it: %ld, %d\n", ask(SIGUSR1, (void *)(page + PAGE - 32), 8), page[PAGE - 1]);
	// Pages that nobody has touched, and those that a child would write to.
	char *fresh = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	say("untouched: %ld\n", ask(SIGUSR1, (void *)fresh, 8));
	mprotect(page, PAGE, PROT_READ);
	say("read-only: %s\n", ask(SIGUSR1, (void *)page, 8) == 0 ? "0" : strerror(errno));

	pthread_t thread;
	pthread_create(&thread, NULL, other, NULL);
	int seen[50];
	for (int i = 0; i < 50; i++) {
		turn = 2 * i + 1;
		wait_for(2 * i + 2);
		seen[i] = changed();
	}
	pthread_join(thread, NULL);
	for (int i = 0; i < 50; i++) say("%d ", seen[i]);
	say("\n");

	pid_t pid = fork();
	if (pid == 0) {
		say("a child: %d\n", changed());
		struct sigaction action = {.sa_handler = SIG_IGN};
		sigaction(SIGHUP, &action, NULL);
		sigaction(SIGCONT, &action, NULL);
		say("its own: %d\n", changed());
		char *args[] = {argv[0], (char *)"again", NULL};
		execv("/proc/self/exe", args);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
	int before = changed();
	pid = clone(sharer, stack + sizeof stack, CLONE_VM | CLONE_SIGHAND | SIGCHLD, NULL);
	waitpid(pid, NULL, 0);
	say("after somebody who shares actions: %d more\n", changed() - before);
	return 0;
}

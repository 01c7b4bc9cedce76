// futex_waitv: any of several words; values, indices, timeouts, errors.
#include "check.h"

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

struct waiter {
	uint64_t val, uaddr;
	uint32_t flags, reserved;
};

static volatile uint32_t *words;
static struct waiter w[130];

static long waitv(unsigned n, struct timespec *timeout, int clock) { return syscall(SYS_futex_waitv, w, n, 0, timeout, clock); }

static void nothing(int sig) { (void)sig; }

int main(void) {
	words = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 130; i++) w[i] = (struct waiter){0, (uint64_t)(uintptr_t)&words[i], 2, 0};
	struct timespec past = {1, 0}, bad = {0, -1};
	SHOW(waitv(3, &past, CLOCK_MONOTONIC));
	SHOW(waitv(3, &past, CLOCK_REALTIME));
	SHOW(waitv(3, &past, CLOCK_BOOTTIME));
	SHOW(waitv(3, &bad, CLOCK_MONOTONIC));
	SHOW(waitv(0, &past, CLOCK_MONOTONIC));
	SHOW(waitv(128, &past, CLOCK_MONOTONIC));
	SHOW(waitv(129, &past, CLOCK_MONOTONIC));
	SHOW(syscall(SYS_futex_waitv, w, 1, 1, NULL, 0));
	SHOW(syscall(SYS_futex_waitv, NULL, 1, 0, NULL, 0));
	SHOW(syscall(SYS_futex_waitv, WILD, 1, 0, NULL, 0));
	words[1] = 1;
	SHOW(waitv(3, NULL, 0));
	words[1] = 0;
	w[2].flags = 0;
	SHOW(waitv(3, NULL, 0));
	w[2].flags = 2 | 64;
	SHOW(waitv(3, NULL, 0));
	w[2].flags = 2;
	w[2].reserved = 1;
	SHOW(waitv(3, NULL, 0));
	w[2].reserved = 0;
	w[2].uaddr++;
	SHOW(waitv(3, NULL, 0));
	w[2].uaddr--;
	uint64_t good = w[1].uaddr;
	w[1].uaddr = 8;
	SHOW(waitv(3, NULL, 0));
	w[1].uaddr = good;

	for (int i = 0; i < 3; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			while (syscall(SYS_futex, &words[i], 1, 1, NULL, NULL, 0) == 0) sleep_ms(1);
			_exit(0);
		}
		SHOW(waitv(3, NULL, 0));
		reap(pid);
	}
	// Nobody is left behind on the queues.
	for (int i = 0; i < 3; i++) SHOW(syscall(SYS_futex, &words[i], 1, 10, NULL, NULL, 0));
	struct sigaction action = {.sa_handler = nothing};
	sigaction(SIGALRM, &action, NULL);
	ticks(10);
	SHOW(waitv(3, NULL, 0));
	ticks(0);
	return 0;
}

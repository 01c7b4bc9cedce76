// flags: -pthread
// FUTEX_REQUEUE, FUTEX_CMP_REQUEUE, FUTEX_WAKE_OP, bitsets and absolute timeouts.
#include "check.h"
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>

static long futex(void *word, int op, unsigned value, const void *timeout, void *word2, unsigned value3) { return syscall(SYS_futex, word, op, value, timeout, word2, value3); }

static _Atomic int first, second, woken, bit_woken[4];

static void *waiter(void *argument) {
	(void)argument;
	futex(&first, FUTEX_WAIT, 0, NULL, NULL, 0);
	woken++;
	return NULL;
}

static void *bit_waiter(void *argument) {
	int k = (int)(intptr_t)argument;
	futex(&first, FUTEX_WAIT_BITSET, 0, NULL, NULL, 1u << k);
	bit_woken[k]++;
	return NULL;
}

// Waits until n threads wait on the first word: a requeue of all of them onto the same word counts them and changes nothing.
static void until_asleep(int n) {
	for (int tries = 0; tries < 5000; tries++) {
		if (futex(&first, FUTEX_REQUEUE, 0, (void *)1000L, &first, 0) >= n) return;
		sleep_ms(1);
	}
	die("%d threads never waited", n);
}

int main(void) {
	pthread_t threads[6];
	for (int i = 0; i < 6; i++) pthread_create(&threads[i], NULL, waiter, NULL);
	until_asleep(6);
	SHOW(futex(&first, FUTEX_CMP_REQUEUE, 1, (void *)2L, &second, 99));
	SHOW(futex(&first, FUTEX_CMP_REQUEUE, 1, (void *)2L, &second, 0));
	while (woken < 1) sched_yield();
	SHOW(futex(&second, FUTEX_WAKE, INT_MAX, NULL, NULL, 0));
	while (woken < 3) sched_yield();
	SHOW(futex(&first, FUTEX_REQUEUE, 0, (void *)1000L, &second, 0));
	SHOW(futex(&first, FUTEX_WAKE, INT_MAX, NULL, NULL, 0));
	SHOW(futex(&second, FUTEX_WAKE, INT_MAX, NULL, NULL, 0));
	for (int i = 0; i < 6; i++) pthread_join(threads[i], NULL);
	say("woken %d\n", woken);
	SHOW(futex(&first, FUTEX_CMP_REQUEUE, 1, (void *)1L, (char *)&second + 1, 0));
	SHOW(futex(&first, FUTEX_CMP_REQUEUE, (unsigned)-1, (void *)1L, &second, 0));
	// Bitsets.
	for (intptr_t k = 0; k < 4; k++) pthread_create(&threads[k], NULL, bit_waiter, (void *)k);
	until_asleep(4);
	SHOW(futex(&first, FUTEX_WAKE_BITSET, INT_MAX, NULL, NULL, 1u << 2));
	pthread_join(threads[2], NULL);
	SHOW(futex(&first, FUTEX_WAKE_BITSET, INT_MAX, NULL, NULL, 1u << 2));
	SHOW(futex(&first, FUTEX_WAKE_BITSET, INT_MAX, NULL, NULL, 0));
	SHOW(futex(&first, FUTEX_WAIT_BITSET, 0, NULL, NULL, 0));
	SHOW(futex(&first, FUTEX_WAKE_BITSET, INT_MAX, NULL, NULL, (1u << 0) | (1u << 1)));
	SHOW(futex(&first, FUTEX_WAKE, INT_MAX, NULL, NULL, 0));
	for (int k = 0; k < 4; k++) {
		if (k != 2) pthread_join(threads[k], NULL);
	}
	say("%d %d %d %d\n", bit_woken[0], bit_woken[1], bit_woken[2], bit_woken[3]);
	// Absolute timeouts on both clocks.
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += 30000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	long before = now_ms();
	SHOW(futex(&first, FUTEX_WAIT_BITSET, 0, &until, NULL, FUTEX_BITSET_MATCH_ANY));
	YES("waited", now_ms() - before >= 29);
	SHOW(futex(&first, FUTEX_WAIT_BITSET, 0, &until, NULL, FUTEX_BITSET_MATCH_ANY));
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec--;
	SHOW(futex(&first, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &until, NULL, FUTEX_BITSET_MATCH_ANY));
	// WAKE_OP: an operation on the second word, and a wake there if a comparison with its old value holds.
	second = 5;
	SHOW(futex(&first, FUTEX_WAKE_OP, 1, (void *)1L, &second, FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 5)));
	say("second %d\n", second);
	SHOW(futex(&first, FUTEX_WAKE_OP, 1, (void *)1L, &second, FUTEX_OP(FUTEX_OP_SET, 16, FUTEX_OP_CMP_GT, 100)));
	SHOW(futex(&first, FUTEX_WAKE_OP, 1, (void *)1L, &second, FUTEX_OP(FUTEX_OP_OR, 3, FUTEX_OP_CMP_LT, 100)));
	say("second %d\n", second);
	SHOW(futex(&first, FUTEX_WAKE_OP, 1, (void *)1L, &second, FUTEX_OP(FUTEX_OP_ANDN, 1, FUTEX_OP_CMP_NE, 0)));
	say("second %d\n", second);
	SHOW(futex(&first, FUTEX_WAKE_OP, 1, (void *)1L, &second, FUTEX_OP(FUTEX_OP_XOR, 0xff, FUTEX_OP_CMP_LE, 0)));
	say("second %d\n", second);
	SHOW(futex(&first, FUTEX_WAKE_OP, 1, (void *)1L, WILD, FUTEX_OP(FUTEX_OP_SET, 1, FUTEX_OP_CMP_EQ, 0)));
	return 0;
}

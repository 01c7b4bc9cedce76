/* Threads: making them, passing turns between them, calling and computing at the same time. */
#define _GNU_SOURCE
#include "micro.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_t partner;
static int to[2], from[2];
static char byte[1];

static void start(pthread_t *thread, void *(*body)(void *), void *argument) {
	must("pthread_create", -(long)pthread_create(thread, NULL, body, argument));
}

static void *nothing(void *argument) { return argument; }
static void create_run(long n) {
	for (long i = 0; i < n; i++) {
		pthread_t thread;
		start(&thread, nothing, NULL);
		pthread_join(thread, NULL);
	}
}

static void *echo(void *argument) {
	char own[1];
	while (read(to[0], own, 1) == 1) must("write", write(from[1], own, 1));
	return argument;
}
static void pipe_begin(void) {
	must("pipe", pipe(to));
	must("pipe", pipe(from));
	start(&partner, echo, NULL);
}
static void pipe_run(long n) {
	for (long i = 0; i < n; i++) {
		must("write", write(to[1], byte, 1));
		must("read", read(from[0], byte, 1));
	}
}
static void pipe_end(void) {
	close(to[1]);
	pthread_join(partner, NULL);
	close(to[0]);
	close(from[0]);
	close(from[1]);
}

static int turn;
static void wait_while(int value) {
	while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) == value) {
		syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
	}
}
static void give(int value) {
	__atomic_store_n(&turn, value, __ATOMIC_RELEASE);
	syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
static void *answer(void *argument) {
	for (;;) {
		wait_while(0);
		if (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) == 2) return argument;
		give(0);
	}
}
static void futex_begin(void) {
	turn = 0;
	start(&partner, answer, NULL);
}
static void futex_run(long n) {
	for (long i = 0; i < n; i++) {
		give(1);
		wait_while(1);
	}
}
static void futex_end(void) {
	give(2);
	pthread_join(partner, NULL);
}

/*
 * A word that two threads write by turns and read all the time: what the memory between two CPUs costs, without any kernel.
 * Each has a CPU of its own, the first and the last.
 */
static int word;
static cpu_set_t allowed;
static void stay_on(int cpu) {
	cpu_set_t one;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	must("sched_setaffinity", sched_setaffinity(0, sizeof(one), &one));
}
static void spin_while(int value) {
	for (long spins = 1; __atomic_load_n(&word, __ATOMIC_ACQUIRE) == value; spins++) {
		if (spins % 10000 == 0) sched_yield();
	}
}
static void *spin_answer(void *argument) {
	int last = CPU_SETSIZE - 1;
	while (last > 0 && !CPU_ISSET(last, &allowed)) last--;
	stay_on(last);
	for (;;) {
		spin_while(0);
		if (__atomic_load_n(&word, __ATOMIC_ACQUIRE) == 2) return argument;
		__atomic_store_n(&word, 0, __ATOMIC_RELEASE);
	}
}
static void word_begin(void) {
	word = 0;
	must("sched_getaffinity", sched_getaffinity(0, sizeof(allowed), &allowed));
	int first = 0;
	while (first < CPU_SETSIZE - 1 && !CPU_ISSET(first, &allowed)) first++;
	start(&partner, spin_answer, NULL);
	stay_on(first);
}
static void word_run(long n) {
	for (long i = 0; i < n; i++) {
		__atomic_store_n(&word, 1, __ATOMIC_RELEASE);
		spin_while(1);
	}
}
static void word_end(void) {
	__atomic_store_n(&word, 2, __ATOMIC_RELEASE);
	pthread_join(partner, NULL);
	must("sched_setaffinity", sched_setaffinity(0, sizeof(allowed), &allowed));
}

/* Several threads make a call that the kernel must answer: ns for each call of all of them together. */
static void *caller(void *argument) {
	for (long n = (long)(intptr_t)argument; n > 0; n--) syscall(SYS_umask, 022);
	return NULL;
}
static void calls(long n, int count) {
	pthread_t threads[8];
	for (int i = 0; i < count; i++) start(&threads[i], caller, (void *)(intptr_t)(n / count + (i < n % count ? 1 : 0)));
	for (int i = 0; i < count; i++) pthread_join(threads[i], NULL);
}
static void calls1_run(long n) { calls(n, 1); }
static void calls2_run(long n) { calls(n, 2); }
static void calls4_run(long n) { calls(n, 4); }
static void calls8_run(long n) { calls(n, 8); }

/* Every CPU computes, alone or while one more thread makes system calls. */
static volatile int stop;
static void *compute(void *argument) {
	uint64_t x = 1;
	for (long i = (long)(intptr_t)argument * 1000; i > 0; i--) {
		x = x * 6364136223846793005UL + 1442695040888963407UL;
		__asm__ volatile("" : "+r"(x));
	}
	return (void *)(uintptr_t)x;
}
static void *call_on(void *argument) {
	while (!stop) syscall(SYS_umask, 022);
	return argument;
}
static void compute_run(long n) {
	pthread_t threads[64];
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	if (cpus > 64) cpus = 64;
	for (long i = 0; i < cpus; i++) start(&threads[i], compute, (void *)(intptr_t)n);
	for (long i = 0; i < cpus; i++) pthread_join(threads[i], NULL);
}
static void taxed_run(long n) {
	stop = 0;
	start(&partner, call_on, NULL);
	compute_run(n);
	stop = 1;
	pthread_join(partner, NULL);
}

const struct row thread_rows[] = {
	{"a word of memory passed between threads", word_run, word_begin, NULL, word_end, 0, 0},
	{"thread create+join", create_run, NULL, NULL, NULL, 0, 0},
	{"pipe ping-pong, threads", pipe_run, pipe_begin, NULL, pipe_end, 0, 0},
	{"futex ping-pong, threads", futex_run, futex_begin, NULL, futex_end, 0, 0},
	{"umask, 1 thread, each call", calls1_run, NULL, NULL, NULL, 0, 0},
	{"umask, 2 threads, each call", calls2_run, NULL, NULL, NULL, 0, 0},
	{"umask, 4 threads, each call", calls4_run, NULL, NULL, NULL, 0, 0},
	{"umask, 8 threads, each call", calls8_run, NULL, NULL, NULL, 0, 0},
	{"1,000 steps of computing on every CPU", compute_run, NULL, NULL, NULL, 0, 0},
	{"1,000 steps of computing beside a thread that calls", taxed_run, NULL, NULL, NULL, 0, 0},
};
const size_t thread_count = COUNT(thread_rows);

// flags: -pthread
// Condition variables, barriers, semaphores and once: a bounded queue, broadcast, timeouts, phases in step.
#include "check.h"
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t not_empty = PTHREAD_COND_INITIALIZER, not_full = PTHREAD_COND_INITIALIZER, go = PTHREAD_COND_INITIALIZER;
static int queue[8], head, tail, size, consumed;
static long total;
static int released, started;
static pthread_barrier_t barrier;
static _Atomic int in_phase[50], out_of_step, serial;
static sem_t semaphore;
static _Atomic int inside, most;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static _Atomic int once_runs;

static void *producer(void *argument) {
	for (int i = 0; i < 500; i++) {
		pthread_mutex_lock(&mutex);
		while (size == 8) pthread_cond_wait(&not_full, &mutex);
		queue[tail++ % 8] = i + (int)(intptr_t)argument;
		size++;
		pthread_cond_signal(&not_empty);
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

static void *consumer(void *argument) {
	(void)argument;
	for (;;) {
		pthread_mutex_lock(&mutex);
		while (size == 0 && consumed < 2000) pthread_cond_wait(&not_empty, &mutex);
		if (size == 0) {
			pthread_mutex_unlock(&mutex);
			return NULL;
		}
		total += queue[head++ % 8];
		size--;
		if (++consumed == 2000) pthread_cond_broadcast(&not_empty);
		pthread_cond_signal(&not_full);
		pthread_mutex_unlock(&mutex);
	}
}

static void *waiter(void *argument) {
	(void)argument;
	pthread_mutex_lock(&mutex);
	started++;
	while (!released) pthread_cond_wait(&go, &mutex);
	pthread_mutex_unlock(&mutex);
	return NULL;
}

static void *phases(void *argument) {
	(void)argument;
	for (int i = 0; i < 50; i++) {
		in_phase[i]++;
		if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD) serial++;
		if (in_phase[i] != 6) out_of_step++;
	}
	return NULL;
}

static void run_once(void) { once_runs++; }

static void *limited(void *argument) {
	(void)argument;
	pthread_once(&once, run_once);
	for (int i = 0; i < 20; i++) {
		sem_wait(&semaphore);
		int now = ++inside, seen = most;
		while (now > seen && !atomic_compare_exchange_weak(&most, &seen, now)) {
		}
		sched_yield();
		inside--;
		sem_post(&semaphore);
	}
	return NULL;
}

int main(void) {
	pthread_t threads[8];
	for (intptr_t i = 0; i < 4; i++) pthread_create(&threads[i], NULL, producer, (void *)(i * 1000));
	for (int i = 4; i < 8; i++) pthread_create(&threads[i], NULL, consumer, NULL);
	for (int i = 0; i < 8; i++) pthread_join(threads[i], NULL);
	say("consumed %d, total %ld\n", consumed, total);
	for (int i = 0; i < 8; i++) pthread_create(&threads[i], NULL, waiter, NULL);
	for (int all = 0; !all;) {
		pthread_mutex_lock(&mutex);
		all = started == 8;
		if (all) {
			released = 1;
			pthread_cond_broadcast(&go);
		}
		pthread_mutex_unlock(&mutex);
		sched_yield();
	}
	for (int i = 0; i < 8; i++) pthread_join(threads[i], NULL);
	say("broadcast released all\n");
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec--;
	pthread_mutex_lock(&mutex);
	say("timed wait in the past: %s\n", ename(pthread_cond_timedwait(&go, &mutex, &until)));
	pthread_condattr_t attributes;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_t monotonic;
	pthread_cond_init(&monotonic, &attributes);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += 30000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	long before = now_ms();
	int result = pthread_cond_timedwait(&monotonic, &mutex, &until);
	say("timed wait of 30 ms: %s, waited: %s\n", ename(result), yes(now_ms() - before >= 29));
	pthread_mutex_unlock(&mutex);
	pthread_barrier_init(&barrier, NULL, 6);
	for (int i = 0; i < 6; i++) pthread_create(&threads[i], NULL, phases, NULL);
	for (int i = 0; i < 6; i++) pthread_join(threads[i], NULL);
	say("barrier: out of step %d, serial threads %d\n", out_of_step, serial);
	sem_init(&semaphore, 0, 3);
	for (int i = 0; i < 8; i++) pthread_create(&threads[i], NULL, limited, NULL);
	for (int i = 0; i < 8; i++) pthread_join(threads[i], NULL);
	int value;
	sem_getvalue(&semaphore, &value);
	say("semaphore: most inside at most 3: %s, value %d, once ran %d\n", yes(most <= 3), value, once_runs);
	say("sem_trywait: %d %d %d", sem_trywait(&semaphore), sem_trywait(&semaphore), sem_trywait(&semaphore));
	say(" %s\n", sem_trywait(&semaphore) < 0 ? ename(errno) : "ok");
	return 0;
}

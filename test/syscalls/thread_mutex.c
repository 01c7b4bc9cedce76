// flags: -pthread
// 64 threads on a mutex, then a spin-free counter, recursive and error-checking mutexes, try and timed locks, rwlocks.
#include "check.h"
#include <pthread.h>
#include <stdatomic.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static long counter, inside, overlaps;
static _Atomic long readers_saw_odd;
static long pair[2];

static void *hammer(void *argument) {
	(void)argument;
	for (int i = 0; i < 1000; i++) {
		pthread_mutex_lock(&mutex);
		if (inside++ != 0) overlaps++;
		counter++;
		inside--;
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

static void *reader_writer(void *argument) {
	for (int i = 0; i < 200; i++) {
		if ((intptr_t)argument % 4 == 0) {
			pthread_rwlock_wrlock(&rwlock);
			pair[0]++;
			sched_yield();
			pair[1]++;
			pthread_rwlock_unlock(&rwlock);
		} else {
			pthread_rwlock_rdlock(&rwlock);
			if (pair[0] != pair[1]) readers_saw_odd++;
			pthread_rwlock_unlock(&rwlock);
		}
	}
	return NULL;
}

static void *holder(void *argument) {
	pthread_mutex_lock(&mutex);
	atomic_store((_Atomic int *)argument, 1);
	sleep_ms(120);
	pthread_mutex_unlock(&mutex);
	return NULL;
}

int main(void) {
	pthread_t threads[64];
	for (intptr_t i = 0; i < 64; i++) {
		if (pthread_create(&threads[i], NULL, hammer, NULL) != 0) die("pthread_create");
	}
	for (int i = 0; i < 64; i++) pthread_join(threads[i], NULL);
	say("counter %ld, overlaps %ld\n", counter, overlaps);
	for (intptr_t i = 0; i < 16; i++) pthread_create(&threads[i], NULL, reader_writer, (void *)i);
	for (int i = 0; i < 16; i++) pthread_join(threads[i], NULL);
	say("rwlock: %ld %ld, torn reads %ld\n", pair[0], pair[1], readers_saw_odd);
	pthread_mutexattr_t attributes;
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_t recursive, checking;
	pthread_mutex_init(&recursive, &attributes);
	say("recursive: %d %d %d %d %s\n", pthread_mutex_lock(&recursive), pthread_mutex_lock(&recursive), pthread_mutex_unlock(&recursive), pthread_mutex_unlock(&recursive), ename(pthread_mutex_unlock(&recursive)));
	pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
	pthread_mutex_init(&checking, &attributes);
	int first = pthread_mutex_lock(&checking), second = pthread_mutex_lock(&checking), third = pthread_mutex_unlock(&checking), fourth = pthread_mutex_unlock(&checking);
	say("checking: %s %s %s %s\n", ename(first), ename(second), ename(third), ename(fourth));
	_Atomic int held = 0;
	pthread_create(&threads[0], NULL, holder, &held);
	while (atomic_load(&held) == 0) sched_yield();
	say("trylock: %s\n", ename(pthread_mutex_trylock(&mutex)));
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += 20000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	say("timedlock: %s\n", ename(pthread_mutex_timedlock(&mutex, &until)));
	say("lock: %s\n", ename(pthread_mutex_lock(&mutex)));
	pthread_mutex_unlock(&mutex);
	pthread_join(threads[0], NULL);
	// A process-shared mutex in shared memory, between processes.
	struct {
		pthread_mutex_t mutex;
		long count;
	} *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&shared->mutex, &attributes);
	pid_t pids[4];
	for (int k = 0; k < 4; k++) {
		pids[k] = fork();
		if (pids[k] == 0) {
			for (int i = 0; i < 2000; i++) {
				pthread_mutex_lock(&shared->mutex);
				shared->count++;
				pthread_mutex_unlock(&shared->mutex);
			}
			_exit(0);
		}
	}
	for (int k = 0; k < 4; k++) reap(pids[k]);
	say("between processes: %ld\n", shared->count);
	return 0;
}

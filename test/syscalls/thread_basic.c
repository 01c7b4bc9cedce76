// flags: -pthread
// Threads: create, join, return values, thread-local data, ids, stacks, detached ones, 500 in a row.
#include "check.h"
#include <pthread.h>

static _Thread_local int local = 5;
static int shared;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_key_t key;
static int destroyed;

static void destructor(void *value) {
	pthread_mutex_lock(&mutex);
	destroyed += (int)(intptr_t)value;
	pthread_mutex_unlock(&mutex);
}

static void *body(void *argument) {
	intptr_t number = (intptr_t)argument;
	int fresh = local == 5;
	local = (int)number;
	pthread_setspecific(key, (void *)number);
	pthread_mutex_lock(&mutex);
	shared += (int)number;
	pthread_mutex_unlock(&mutex);
	sched_yield();
	return (void *)(intptr_t)(fresh && local == number && getpid() != gettid() ? number * 2 : -1);
}

static void *big_stack(void *argument) {
	volatile char array[3 << 20];
	array[0] = 1;
	array[sizeof array - 1] = 2;
	*(int *)argument = array[0] + array[sizeof array - 1];
	pthread_exit((void *)77);
}

int main(void) {
	pthread_key_create(&key, destructor);
	pthread_t threads[20];
	intptr_t sum = 0;
	for (intptr_t i = 0; i < 20; i++) {
		if (pthread_create(&threads[i], NULL, body, (void *)(i + 1)) != 0) die("pthread_create");
	}
	for (int i = 0; i < 20; i++) {
		void *value;
		pthread_join(threads[i], &value);
		sum += (intptr_t)value;
	}
	say("sum of results %ld, shared %d, destroyed %d, own local %d\n", (long)sum, shared, destroyed, local);
	YES("main thread: tid is pid", gettid() == getpid());
	pthread_attr_t attributes;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 4 << 20);
	pthread_t thread;
	int result = 0;
	void *value;
	pthread_create(&thread, &attributes, big_stack, &result);
	pthread_join(thread, &value);
	say("big stack: %d, pthread_exit value %ld\n", result, (long)(intptr_t)value);
	say("join twice the same: %s\n", pthread_join(pthread_self(), NULL) == EDEADLK ? "EDEADLK" : "?");
	shared = 0;
	for (int i = 0; i < 500; i++) {
		if (pthread_create(&thread, NULL, body, (void *)1) != 0) die("pthread_create %d", i);
		pthread_join(thread, NULL);
	}
	say("500 one after another: %d\n", shared);
	// A thread that forks: the child has one thread, and its copy of the memory.
	pid_t pid = fork();
	if (pid == 0) {
		YES("child: tid is pid", gettid() == getpid());
		pthread_create(&thread, NULL, body, (void *)4);
		pthread_join(thread, &value);
		_exit((int)(intptr_t)value);
	}
	say("child with a thread: %s\n", wname(reap(pid)));
	return 0;
}

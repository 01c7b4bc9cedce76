// flags: -pthread
// Cancellation: at cancellation points, deferred, asynchronous, cleanup handlers in order.
#include "check.h"
#include <pthread.h>
#include <stdatomic.h>

static _Atomic int ready;
static int fds[2];

static void cleanup(void *argument) { say("cleanup %s\n", (char *)argument); }

static void *in_read(void *argument) {
	(void)argument;
	char c;
	pthread_cleanup_push(cleanup, "outer");
	pthread_cleanup_push(cleanup, "inner");
	ready = 1;
	(void)!read(fds[0], &c, 1);
	pthread_cleanup_pop(0);
	pthread_cleanup_pop(0);
	return NULL;
}

static void *in_sleep(void *argument) {
	(void)argument;
	ready = 1;
	for (;;) sleep(1000);
	return NULL;
}

static void *disabled(void *argument) {
	(void)argument;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	ready = 1;
	sleep_ms(40);
	pthread_testcancel();
	say("still here while disabled\n");
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	pthread_testcancel();
	say("not reached\n");
	return NULL;
}

static void *asynchronous(void *argument) {
	(void)argument;
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	ready = 1;
	for (volatile long i = 0;; i++) {
	}
	return NULL;
}

static void unlock(void *mutex) { pthread_mutex_unlock(mutex); }

static void *in_cond(void *argument) {
	pthread_mutex_t *mutex = argument;
	pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
	pthread_mutex_lock(mutex);
	pthread_cleanup_push(unlock, mutex);
	ready = 1;
	for (;;) pthread_cond_wait(&cond, mutex);
	pthread_cleanup_pop(1);
	return NULL;
}

static void run(const char *label, void *(*body)(void *), void *argument) {
	pthread_t thread;
	void *value;
	ready = 0;
	pthread_create(&thread, NULL, body, argument);
	while (!ready) sched_yield();
	sleep_ms(5);
	int sent = pthread_cancel(thread);
	pthread_join(thread, &value);
	say("%s: %d, cancelled %s\n", label, sent, yes(value == PTHREAD_CANCELED));
}

int main(void) {
	MUST(pipe(fds));
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	run("in read", in_read, NULL);
	run("in sleep", in_sleep, NULL);
	run("disabled", disabled, NULL);
	run("asynchronous", asynchronous, NULL);
	run("in pthread_cond_wait", in_cond, &mutex);
	say("its mutex is free: %s\n", ename(pthread_mutex_trylock(&mutex)));
	return 0;
}

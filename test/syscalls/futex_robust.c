// flags: -pthread
// Robust lists: the kernel marks a lock whose owner died, wakes a waiter, and pthread's robust mutexes recover.
#include "check.h"
#include <linux/futex.h>
#include <pthread.h>

static void *dies_with_lock(void *argument) {
	pthread_mutex_lock(argument);
	return NULL;
}

int main(void) {
	struct robust_list_head *head = NULL;
	size_t length = 0;
	SHOW(syscall(SYS_get_robust_list, 0, &head, &length));
	say("length %zu, set by the C library: %s\n", length, yes(head != NULL));
	SHOW(syscall(SYS_set_robust_list, head, 8));
	SHOW(syscall(SYS_set_robust_list, head, sizeof *head));
	SHOW(syscall(SYS_get_robust_list, 4194303, &head, &length));
	SHOW(syscall(SYS_get_robust_list, 0, WILD, &length));
	pthread_mutexattr_t attributes;
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_t mutex;
	pthread_mutex_init(&mutex, &attributes);
	pthread_t thread;
	pthread_create(&thread, NULL, dies_with_lock, &mutex);
	pthread_join(thread, NULL);
	say("lock after the owner's end: %s\n", ename(pthread_mutex_lock(&mutex)));
	say("consistent: %s\n", ename(pthread_mutex_consistent(&mutex)));
	say("unlock: %s, lock: ", ename(pthread_mutex_unlock(&mutex)));
	say("%s\n", ename(pthread_mutex_lock(&mutex)));
	pthread_mutex_unlock(&mutex);
	// Not made consistent: lost for good.
	pthread_create(&thread, NULL, dies_with_lock, &mutex);
	pthread_join(thread, NULL);
	say("again: %s\n", ename(pthread_mutex_lock(&mutex)));
	pthread_mutex_unlock(&mutex);
	say("not recoverable: %s\n", ename(pthread_mutex_lock(&mutex)));
	// A waiter in another process is woken when the owner is killed.
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	struct {
		pthread_mutex_t mutex;
		volatile int locked;
	} *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutex_init(&shared->mutex, &attributes);
	pid_t owner = fork();
	if (owner == 0) {
		pthread_mutex_lock(&shared->mutex);
		shared->locked = 1;
		for (;;) pause();
	}
	while (!shared->locked) sched_yield();
	pid_t waiter = fork();
	if (waiter == 0) _exit(pthread_mutex_lock(&shared->mutex) == EOWNERDEAD ? 11 : 12);
	sleep_ms(30);
	kill(owner, SIGKILL);
	say("owner %s, ", wname(reap(owner)));
	say("waiter %s\n", wname(reap(waiter)));
	// A corrupt list ends the walk, not the kernel.
	pid_t pid = fork();
	if (pid == 0) {
		static struct robust_list_head bad;
		bad.list.next = (struct robust_list *)WILD;
		bad.futex_offset = 8;
		syscall(SYS_set_robust_list, &bad, sizeof bad);
		_exit(0);
	}
	say("wild list: %s\n", wname(reap(pid)));
	pid = fork();
	if (pid == 0) {
		static struct robust_list_head bad;
		static struct robust_list a, b;
		bad.list.next = &a;
		a.next = &b;
		b.next = &a;  // never comes back to the head
		syscall(SYS_set_robust_list, &bad, sizeof bad);
		_exit(0);
	}
	say("endless list: %s\n", wname(reap(pid)));
	return 0;
}

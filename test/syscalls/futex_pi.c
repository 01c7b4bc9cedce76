// flags: -pthread
// Futexes with an owner: taking, waiting, unlocking, dead owners, requeueing, and pthread's mutexes and conditions on top.
#include "check.h"
#include <linux/futex.h>
#include <pthread.h>

static volatile uint32_t *lock_word, *other_word;
static int report[2];

static long futex(volatile uint32_t *word, int op, uint32_t val, void *timeout, volatile uint32_t *word2, uint32_t val3) {
	return syscall(SYS_futex, word, op, val, timeout, word2, val3);
}

static void tell(char c) { MUST(write(report[1], &c, 1)); }

static char heard(void) {
	char c = '?';
	MUST(read(report[0], &c, 1));
	return c;
}

static pid_t tid(void) { return (pid_t)syscall(SYS_gettid); }

static void show(const char *label) {
	uint32_t w = *lock_word;
	say("%s: owner %s%s%s\n", label, (w & FUTEX_TID_MASK) == 0 ? "none" : (w & FUTEX_TID_MASK) == (uint32_t)tid() ? "me" : "other",
		w & FUTEX_WAITERS ? " waiters" : "", w & FUTEX_OWNER_DIED ? " died" : "");
}

static void takes_it(void) {
	SHOW(futex(lock_word, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	show("taken");
	SHOW(futex(lock_word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
}

static void try_other(void) {
	SHOW(futex(lock_word, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0));
	SHOW(futex(lock_word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_nsec += 20000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_nsec -= 1000000000;
		t.tv_sec++;
	}
	SHOW(futex(lock_word, FUTEX_LOCK_PI, 0, &t, NULL, 0));
}

// pthread, with the protocol that uses these operations.
static pthread_mutex_t mutex;
static pthread_cond_t cond;
static int turn, counter;

static void *counts(void *arg) {
	(void)arg;
	for (int i = 0; i < 2000; i++) {
		pthread_mutex_lock(&mutex);
		counter++;
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

static void *waits(void *arg) {
	(void)arg;
	pthread_mutex_lock(&mutex);
	while (turn == 0) pthread_cond_wait(&cond, &mutex);
	counter++;
	pthread_mutex_unlock(&mutex);
	return NULL;
}

static void *dies_with_lock(void *arg) {
	pthread_mutex_lock(arg);
	tell('l');
	sleep_ms(30);
	return NULL;
}

int main(void) {
	MUST(pipe(report));
	lock_word = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	other_word = lock_word + 1;
	SHOW(futex(lock_word, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	show("locked");
	SHOW(futex(lock_word, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	SHOW(futex(lock_word, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0));
	child("another process", try_other);
	SHOW(futex(lock_word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
	show("unlocked");
	SHOW(futex(lock_word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
	*lock_word = 0x3ffffffe;
	SHOW(futex(lock_word, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	*lock_word = 0;
	SHOW(futex((volatile uint32_t *)((char *)lock_word + 1), FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	SHOW(futex(LOW, FUTEX_LOCK_PI, 0, NULL, NULL, 0));

	// A waiter is handed the lock.
	MUST(futex(lock_word, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	pid_t pid = spawn(takes_it);
	await_sleep(pid);
	show("with a waiter");
	SHOW(futex(lock_word, FUTEX_WAKE, 1, NULL, NULL, 0));
	MUST(futex(lock_word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
	say("waiter %s\n", wname(reap(pid)));
	show("at the end");

	// An owner that dies without unlocking: its waiter gets the lock and is told.
	pid = fork();
	if (pid == 0) {
		futex(lock_word, FUTEX_LOCK_PI, 0, NULL, NULL, 0);
		tell('o');
		pause();
		_exit(0);
	}
	say("%c\n", heard());
	pid_t waiter = fork();
	if (waiter == 0) {
		takes_it();
		_exit(0);
	}
	await_sleep(waiter);
	kill(pid, SIGKILL);
	reap(pid);
	say("heir %s\n", wname(reap(waiter)));
	*lock_word = 0;

	// Requeueing: who waits at one word gets the lock at another.
	*other_word = 5;
	SHOW(futex(other_word, FUTEX_WAIT_REQUEUE_PI, 4, NULL, lock_word, 0));
	SHOW(futex(other_word, FUTEX_WAIT_REQUEUE_PI, 5, NULL, other_word, 0));
	SHOW(futex(other_word, FUTEX_CMP_REQUEUE_PI, 1, (void *)10, lock_word, 5));
	SHOW(futex(other_word, FUTEX_CMP_REQUEUE_PI, 2, (void *)10, lock_word, 5));
	SHOW(futex(other_word, FUTEX_CMP_REQUEUE_PI, 1, (void *)10, lock_word, 4));
	pid_t pids[3];
	for (int i = 0; i < 3; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			long r = futex(other_word, FUTEX_WAIT_REQUEUE_PI, 5, NULL, lock_word, 0);
			tell(r == 0 && (*lock_word & FUTEX_TID_MASK) == (uint32_t)tid() ? (char)('a' + i) : '!');
			futex(lock_word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
			_exit(0);
		}
		await_sleep(pids[i]);
	}
	SHOW(futex(other_word, FUTEX_WAKE, 1, NULL, NULL, 0));
	SHOW(futex(other_word, FUTEX_REQUEUE, 1, (void *)10, lock_word, 0));
	MUST(futex(lock_word, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	SHOW(futex(other_word, FUTEX_CMP_REQUEUE_PI, 1, (void *)0, lock_word, 5));
	SHOW(futex(other_word, FUTEX_CMP_REQUEUE_PI, 1, (void *)10, lock_word, 5));
	show("all wait for me");
	MUST(futex(lock_word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
	char order[4] = {heard(), heard(), heard(), 0};
	say("order %s\n", order);
	for (int i = 0; i < 3; i++) reap(pids[i]);
	show("all done");

	struct timespec past = {1, 0};
	SHOW(futex(other_word, FUTEX_WAIT_REQUEUE_PI, 5, &past, lock_word, 0));

	pthread_mutexattr_t attributes;
	pthread_mutexattr_init(&attributes);
	say("protocol: %s\n", ename(pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT)));
	pthread_mutex_init(&mutex, &attributes);
	pthread_cond_init(&cond, NULL);
	pthread_t threads[4];
	for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, counts, NULL);
	for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
	say("counted %d\n", counter);
	counter = 0;
	for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, waits, NULL);
	sleep_ms(20);
	pthread_mutex_lock(&mutex);
	turn = 1;
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&mutex);
	for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
	say("woken %d\n", counter);

	// Robust and with an owner.
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_t robust;
	pthread_mutex_init(&robust, &attributes);
	pthread_t thread;
	pthread_create(&thread, NULL, dies_with_lock, &robust);
	say("%c\n", heard());
	say("lock while its owner ends: %s\n", ename(pthread_mutex_lock(&robust)));
	say("consistent: %s\n", ename(pthread_mutex_consistent(&robust)));
	say("unlock: %s\n", ename(pthread_mutex_unlock(&robust)));
	pthread_join(thread, NULL);
	pthread_create(&thread, NULL, dies_with_lock, &robust);
	pthread_join(thread, NULL);
	say("lock after its owner's end: %s\n", ename(pthread_mutex_lock(&robust)));
	return 0;
}

// flags: -pthread
// futex(2): FUTEX_WAIT compares, FUTEX_WAKE counts, timeouts, private and shared keys, between threads and processes, errors.
#include "check.h"
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>

static long futex(void *word, int op, unsigned value, const struct timespec *timeout, void *word2, unsigned value3) { return syscall(SYS_futex, word, op, value, timeout, word2, value3); }

static _Atomic int word, waiting, woken;

static void *waiter(void *argument) {
	(void)argument;
	waiting++;
	while (word == 0) futex(&word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0, NULL, NULL, 0);
	woken++;
	return NULL;
}

// Wakes until n have been woken in all; the waiters may still be on their way into the kernel.
static int wake_exactly(void *p, int op, int n) {
	int total = 0;
	for (int i = 0; i < 3000 && total < n; i++) {
		long got = futex(p, op, (unsigned)(n - total), NULL, NULL, 0);
		if (got < 0) return -1;
		total += (int)got;
		if (total < n) sleep_ms(1);
	}
	return total;
}

static _Atomic int gate;
static void *gated(void *argument) {
	(void)argument;
	futex(&gate, FUTEX_WAIT, 0, NULL, NULL, 0);
	woken++;
	return NULL;
}

int main(void) {
	SHOW(futex(&word, FUTEX_WAIT, 1, NULL, NULL, 0));
	SHOW(futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0));
	struct timespec limit = {0, 30000000}, zero = {0, 0}, bad = {0, 1000000000}, negative = {-1, 0};
	long before = now_ms();
	SHOW(futex(&word, FUTEX_WAIT, 0, &limit, NULL, 0));
	YES("waited 30 ms", now_ms() - before >= 29);
	SHOW(futex(&word, FUTEX_WAIT, 0, &zero, NULL, 0));
	SHOW(futex(&word, FUTEX_WAIT, 0, &bad, NULL, 0));
	SHOW(futex(&word, FUTEX_WAIT, 0, &negative, NULL, 0));
	SHOW(futex((char *)&word + 1, FUTEX_WAIT, 0, &zero, NULL, 0));
	SHOW(futex((char *)&word + 2, FUTEX_WAKE, 1, NULL, NULL, 0));
	SHOW(futex(LOW, FUTEX_WAIT, 0, &zero, NULL, 0));
	SHOW(futex(WILD, FUTEX_WAIT, 0, &zero, NULL, 0));
	SHOW(futex(&word, FUTEX_WAIT, 0, WILD, NULL, 0));
	SHOW(futex(&word, 99, 0, NULL, NULL, 0));
	char *none = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	SHOW(futex(none, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0, &zero, NULL, 0));
	SHOW(futex(none, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL, NULL, 0));
	// Ten waiters, woken in portions.
	pthread_t threads[10];
	for (int i = 0; i < 10; i++) pthread_create(&threads[i], NULL, gated, NULL);
	say("woke 3: %d\n", wake_exactly(&gate, FUTEX_WAKE, 3));
	while (woken < 3) sched_yield();
	say("woke 7: %d\n", wake_exactly(&gate, FUTEX_WAKE, 7));
	for (int i = 0; i < 10; i++) pthread_join(threads[i], NULL);
	say("woken %d, nobody left: %ld\n", woken, futex(&gate, FUTEX_WAKE, INT_MAX, NULL, NULL, 0));
	woken = 0;
	for (int i = 0; i < 10; i++) pthread_create(&threads[i], NULL, waiter, NULL);
	while (waiting < 10) sched_yield();
	word = 1;
	futex(&word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, INT_MAX, NULL, NULL, 0);
	for (int i = 0; i < 10; i++) {
		futex(&word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, INT_MAX, NULL, NULL, 0);
		pthread_join(threads[i], NULL);
	}
	say("all woken: %d\n", woken);
	// Between processes: shared anonymous memory, and a file mapped at two places.
	_Atomic int *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid = fork();
	if (pid == 0) {
		long r = futex(shared, FUTEX_WAIT, 0, NULL, NULL, 0);
		_exit(r == 0 ? 3 : errno);
	}
	say("process woken: %d, ", wake_exactly(shared, FUTEX_WAKE, 1));
	say("%s\n", wname(reap(pid)));
	int fd = open("file", O_RDWR | O_CREAT, 0644);
	MUST(ftruncate(fd, 2 * PAGE));
	char *a = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	pid = fork();
	if (pid == 0) {
		char *b = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, PAGE);
		long r = futex(b + 64, FUTEX_WAIT, 0, NULL, NULL, 0);
		_exit(r == 0 ? 4 : errno);
	}
	say("through a file: %d, ", wake_exactly(a + PAGE + 64, FUTEX_WAKE, 1));
	say("%s\n", wname(reap(pid)));
	// Private anonymous memory after fork: another key.
	pid = fork();
	if (pid == 0) {
		struct timespec short_time = {0, 60000000};
		_Atomic int *mine = &gate;
		*mine = 0;
		long r = futex(mine, FUTEX_WAIT, 0, &short_time, NULL, 0);
		_exit(r < 0 && errno == ETIMEDOUT ? 5 : 6);
	}
	long stray = 0;
	for (int i = 0; i < 20; i++) {
		stray += futex(&gate, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
		sleep_ms(2);
	}
	say("copy-on-write memory: woken %ld, %s\n", stray, wname(reap(pid)));
	return 0;
}

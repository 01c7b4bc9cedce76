// Who is next at a futex: real-time priorities before lower ones and before none, as of when the wait began, or as they are now where the
// lock has an owner; waits that would never end; and what the owner's word says. Natively it needs the right to real-time priorities.
#include "check.h"
#include <linux/futex.h>

static volatile uint32_t *words;
static int report[2];

static long futex(volatile uint32_t *word, int op, uint32_t val, void *timeout, volatile uint32_t *word2, uint32_t val3) {
	return syscall(SYS_futex, word, op, val, timeout, word2, val3);
}

static long lock(int i) { return futex(words + i, FUTEX_LOCK_PI, 0, NULL, NULL, 0); }
static long unlock(int i) { return futex(words + i, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0); }
static void tell(char c) { MUST(write(report[1], &c, 1)); }

static char heard(void) {
	char c = '?';
	MUST(read(report[0], &c, 1));
	return c;
}

static void be(pid_t pid, int priority) {
	struct sched_param param = {priority};
	MUST(sched_setscheduler(pid, priority > 0 ? SCHED_FIFO : SCHED_OTHER, &param));
}

static void show(const char *label, int i) {
	uint32_t word = words[i], tid = word & FUTEX_TID_MASK;
	say("%s: owner %s%s%s\n", label, tid == 0 ? "none" : tid == (uint32_t)gettid() ? "me" : "other", word & FUTEX_WAITERS ? " waiters" : "",
		word & FUTEX_OWNER_DIED ? " died" : "");
}

static pid_t pids[8];

static pid_t start(int i, int priority, void (*f)(int)) {
	pids[i] = fork();
	if (pids[i] < 0) die("fork");
	if (pids[i] == 0) {
		be(0, priority);
		f(i);
		_exit(0);
	}
	await_sleep(pids[i]);
	return pids[i];
}

static void finish(const char *label, int n) {
	char order[9] = "";
	for (int i = 0; i < n; i++) order[i] = heard();
	for (int i = 0; i < n; i++) reap(pids[i]);
	say("%s: %s\n", label, order);
}

static void takes(int i) {
	tell(lock(0) == 0 ? (char)('a' + i) : '!');
	unlock(0);
}

static void waits(int i) { tell(futex(words + 1, FUTEX_WAIT, 0, NULL, NULL, 0) == 0 ? (char)('a' + i) : '!'); }

static void requeued(int i) {
	tell(futex(words + 1, FUTEX_WAIT_REQUEUE_PI, 0, NULL, words, 0) == 0 ? (char)('a' + i) : '!');
	unlock(0);
}

// Has lock 2, and waits for lock 0.
static void has_another(int i) {
	MUST(lock(2));
	takes(i);
	unlock(2);
}

static void wants_another(int i) {
	MUST(lock(2));
	tell((char)('a' + i));
	unlock(2);
}

static void holds_next(int i) {
	MUST(lock(i));
	lock(i - 1);
	unlock(i - 1);
	unlock(i);
}

int main(void) {
	MUST(pipe(report));
	words = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	static const int priorities[] = {0, 1, 3, 2, 3, 0};
	MUST(lock(0));
	for (int i = 0; i < 6; i++) start(i, priorities[i], takes);
	MUST(unlock(0));
	finish("a lock", 6);

	for (int i = 0; i < 6; i++) start(i, priorities[i], waits);
	be(pids[0], 9);
	char order[7] = "";
	for (int i = 0; i < 6; i++) {
		MUST(futex(words + 1, FUTEX_WAKE, 1, NULL, NULL, 0));
		order[i] = heard();
	}
	for (int i = 0; i < 6; i++) reap(pids[i]);
	say("a word: %s\n", order);

	for (int i = 0; i < 6; i++) start(i, priorities[i], requeued);
	MUST(lock(0));
	SHOW(futex(words + 1, FUTEX_CMP_REQUEUE_PI, 1, (void *)2, words, 0));
	MUST(unlock(0));
	for (int i = 0; i < 3; i++) order[i] = heard();
	order[3] = 0;
	say("requeued: %s\n", order);
	SHOW(futex(words + 1, FUTEX_CMP_REQUEUE_PI, 1, (void *)9, words, 0));
	for (int i = 0; i < 3; i++) order[i] = heard();
	for (int i = 0; i < 6; i++) reap(pids[i]);
	say("and the others: %s\n", order);

	MUST(lock(0));
	for (int i = 0; i < 3; i++) start(i, 0, takes);
	be(pids[2], 5);
	be(pids[1], 5);
	be(pids[2], 0);
	MUST(unlock(0));
	finish("changed while they wait", 3);

	// The owner of a lock that somebody important waits for is as important.
	MUST(lock(0));
	start(0, 2, takes);
	start(1, 0, has_another);
	start(2, 5, wants_another);
	MUST(unlock(0));
	say("inherited: %c is first\n", heard());
	for (int i = 1; i < 3; i++) heard();
	for (int i = 0; i < 3; i++) reap(pids[i]);

	// Each has a lock and waits for the next: the last wait would close the circle.
	for (int i = 0; i < 4; i++) words[i] = 0;
	MUST(lock(0));
	for (int i = 1; i < 4; i++) start(i, 0, holds_next);
	SHOW(lock(3));
	SHOW(lock(1));
	show("mine", 0);
	SHOW(unlock(0));
	for (int i = 1; i < 4; i++) reap(pids[i]);
	show("nobody's", 3);

	words[0] = FUTEX_WAITERS;
	SHOW(lock(0));
	show("waiters that are none", 0);
	SHOW(unlock(0));
	words[0] = FUTEX_OWNER_DIED | FUTEX_WAITERS;
	SHOW(lock(0));
	show("its owner has died", 0);
	SHOW(unlock(0));
	show("unlocked", 0);
	words[0] = 0x3ffffff0;
	SHOW(futex(words, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0));
	words[0] = (uint32_t)getppid();
	SHOW(futex(words, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0));
	show("tried", 0);
	return 0;
}

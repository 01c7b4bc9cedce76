// mlock and its limit, mincore, MADV_DONTFORK and MADV_WIPEONFORK, the gap below a growing stack.
#include "check.h"
#include <sys/syscall.h>

static char *area;

static long locked_kb(void) {
	const char *line = strstr(cat("/proc/self/status"), "VmLck:");
	return line == NULL ? -1 : atol(line + 6);
}

static void unprivileged(void) {
	struct rlimit r = {16 * 1024, 16 * 1024};
	MUST(setrlimit(RLIMIT_MEMLOCK, &r));
	MUST(setuid(1));
	char *p = anon(16 * PAGE);
	SHOW(mlock(p, 4 * PAGE));
	SHOW(locked_kb());
	SHOW(mlock(p, 5 * PAGE));
	SHOW(mlock(p + 4 * PAGE, 1));
	SHOW(munlock(p, PAGE));
	SHOW(mlock(p + 4 * PAGE, 1));
	SHOW(mlock(p, 4 * PAGE));
	SHOW(locked_kb());
	TRY(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0));
	SHOW(mlockall(MCL_CURRENT));
	SHOW(munlockall());
	SHOW(locked_kb());
	TRY(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0));
	SHOW(locked_kb());
}

static void no_limit(void) {
	struct rlimit r = {0, 0};
	MUST(setrlimit(RLIMIT_MEMLOCK, &r));
	MUST(setuid(1));
	SHOW(mlock(area, PAGE));
	SHOW(mlockall(MCL_CURRENT));
	SHOW(munlock(area, PAGE));
}

static void looks(void) {
	say("kept: %s\n", probe('r', area));
	say("not inherited: %s\n", probe('r', area + PAGE));
	say("wiped: %s %d\n", probe('r', area + 2 * PAGE), area[2 * PAGE]);
	say("last: %s %c\n", probe('r', area + 3 * PAGE), area[3 * PAGE]);
	area[2 * PAGE] = 'c';
	pid_t grandchild = fork();
	if (grandchild == 0) {
		say("wiped again: %d\n", area[2 * PAGE]);
		_exit(0);
	}
	reap(grandchild);
}

static void residency(char *p, int n, const char *label) {
	unsigned char vec[16];
	if (mincore(p, (size_t)n * PAGE, vec) != 0) {
		say("%s: %s\n", label, ename(errno));
		return;
	}
	char text[17] = "";
	for (int i = 0; i < n; i++) text[i] = vec[i] & 1 ? '1' : '0';
	say("%s: %s\n", label, text);
}

int main(void) {
	area = anon(8 * PAGE);
	SHOW(mlock(area, 2 * PAGE));
	SHOW(locked_kb());
	SHOW(mlock(area + 1, PAGE));
	SHOW(locked_kb());
	SHOW(munlock(area, 8 * PAGE));
	SHOW(locked_kb());
	SHOW(mlock(area, 0));
	SHOW(mlock(LOW, 1));
	SHOW(mlock(area, (size_t)-1));
	SHOW(munlock(LOW, 1));
	SHOW(syscall(SYS_mlock2, area, PAGE, 2));
	SHOW(syscall(SYS_mlock2, area, PAGE, 1));
	SHOW(munlock(area, PAGE));
	MUST(munmap(area + 7 * PAGE, PAGE));
	SHOW(mlock(area + 6 * PAGE, 2 * PAGE));
	SHOW(munlockall());
	SHOW(mlockall(0));
	SHOW(mlockall(8));
	SHOW(mlockall(MCL_ONFAULT));
	SHOW(locked_kb());
	child("unprivileged", unprivileged);
	child("limit of nothing", no_limit);

	// mincore
	char *fresh = anon(8 * PAGE);
	fresh[0] = 1;
	fresh[3 * PAGE] = 1;
	unsigned char vec[8];
	SHOW(mincore(fresh, 8 * PAGE, vec));
	YES("touched pages are resident", (vec[0] & vec[3] & 1) == 1);
	SHOW(mincore(fresh + 1, PAGE, vec));
	SHOW(mincore(fresh, 0, vec));
	SHOW(mincore(fresh, PAGE, WILD));
	SHOW(mincore(LOW, PAGE, vec));
	MUST(munmap(fresh + 4 * PAGE, PAGE));
	SHOW(mincore(fresh, 8 * PAGE, vec));
	MUST(madvise(fresh, PAGE, MADV_DONTNEED));
	residency(fresh + 3 * PAGE, 1, "touched");

	// Fork.
	memset(area, 'p', 4 * PAGE);
	SHOW(madvise(area + PAGE, PAGE, MADV_DONTFORK));
	SHOW(madvise(area + 2 * PAGE, PAGE, MADV_WIPEONFORK));
	child("child", looks);
	say("the parent keeps: %c %c\n", area[PAGE], area[2 * PAGE]);
	SHOW(madvise(area + PAGE, PAGE, MADV_DOFORK));
	SHOW(madvise(area + 2 * PAGE, PAGE, MADV_KEEPONFORK));
	pid_t pid = fork();
	if (pid == 0) {
		say("inherited again: %c %c\n", area[PAGE], area[2 * PAGE]);
		_exit(0);
	}
	reap(pid);
	char *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	SHOW(madvise(shared, PAGE, MADV_WIPEONFORK));
	SHOW(madvise(shared, PAGE, MADV_DONTFORK));

	// A growing mapping keeps its distance from what lies below.
	char *room = mmap(NULL, 1024 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MUST(munmap(room, 1024 * PAGE));
	char *stack = mmap(room + 1000 * PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, -1, 0);
	YES("made", stack == room + 1000 * PAGE);
	say("just below: %s\n", probe('w', stack - 8));
	say("further: %s\n", probe('w', stack - 100 * PAGE));
	char *below = mmap(room + 500 * PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	YES("something below", below == room + 500 * PAGE);
	say("257 pages above it: %s\n", probe('w', below + 258 * PAGE));
	say("200 pages above it: %s\n", probe('w', below + 200 * PAGE));
	return 0;
}

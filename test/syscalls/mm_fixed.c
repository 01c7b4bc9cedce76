// MAP_FIXED replaces, MAP_FIXED_NOREPLACE refuses; what lies around stays.
#include "check.h"

int main(void) {
	char *p = anon(8 * PAGE);
	for (int i = 0; i < 8; i++) p[i * PAGE] = (char)('0' + i);
	char *q = mmap(p + 2 * PAGE, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	YES("in place", q == p + 2 * PAGE);
	say("%c %c %d %d %c\n", p[0], p[PAGE], p[2 * PAGE], p[3 * PAGE], p[4 * PAGE]);
	put("file", "file content");
	int fd = open("file", O_RDONLY);
	q = mmap(p + 5 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0);
	say("file in the middle: %.12s, neighbours %c %c\n", q, p[4 * PAGE], p[6 * PAGE]);
	q = mmap(p + PAGE, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	say("PROT_NONE over it: %s, next %s\n", probe('r', p + PAGE), probe('w', p + 2 * PAGE));
	errno = 0;
	q = mmap(p + 7 * PAGE, 2 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	say("NOREPLACE over the last page: %s\n", q == MAP_FAILED ? ename(errno) : "ok");
	say("last page: %c\n", p[7 * PAGE]);
	MUST(munmap(p + 3 * PAGE, 2 * PAGE));
	q = mmap(p + 3 * PAGE, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	YES("NOREPLACE into the hole", q == p + 3 * PAGE);
	say("zero again: %d\n", p[3 * PAGE]);
	// A failed MAP_FIXED of a bad descriptor leaves the old mapping.
	p[6 * PAGE] = 'k';
	errno = 0;
	q = mmap(p + 6 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, 999, 0);
	say("bad descriptor: %s, kept: %c\n", q == MAP_FAILED ? ename(errno) : "ok", p[6 * PAGE]);
	// One mapping over many pieces.
	q = mmap(p, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	int sum = 0;
	for (int i = 0; i < 8; i++) sum += p[i * PAGE];
	YES("all replaced", q == p && sum == 0);
	// Again and again in the same place, with forks between.
	for (int i = 0; i < 50; i++) {
		p[PAGE] = (char)i;
		pid_t pid = fork();
		if (pid == 0) _exit(p[PAGE] == i ? 0 : 1);
		q = mmap(p, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		if (q != p || p[PAGE] != 0) die("round %d", i);
		if (reap(pid) != 0) die("child %d", i);
	}
	say("50 rounds\n");
	return 0;
}

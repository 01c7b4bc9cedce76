// Copy on write: each process of a deep fork chain writes some pages; nobody sees anybody else's; the kernel's writes copy too.
#include "check.h"

#define PAGES 64
#define DEPTH 24

static char *p;

static int check(int level) {
	// Page i holds the number of the deepest level up to this one that owns it (levels write pages i % (level + 2) == 0).
	for (int i = 0; i < PAGES; i++) {
		int expected = 0;
		for (int l = 1; l <= level; l++) {
			if (i % (l + 1) == 0) expected = l;
		}
		if (p[i * PAGE + i] != (char)expected || p[i * PAGE + 4000] != (char)expected) return 1;
	}
	return 0;
}

static int descend(int level) {
	for (int i = 0; i < PAGES; i++) {
		if (level > 0 && i % (level + 1) == 0) p[i * PAGE + i] = p[i * PAGE + 4000] = (char)level;
	}
	if (check(level) != 0) return 1;
	if (level == DEPTH) return 0;
	pid_t pid = fork();
	if (pid < 0) return 2;
	if (pid == 0) _exit(descend(level + 1));
	int status = reap(pid);
	if (status != 0) return WEXITSTATUS(status);
	return check(level);  // after the child wrote, and ended
}

int main(void) {
	p = anon(PAGES * PAGE);
	say("chain of %d: %d\n", DEPTH, descend(0));
	// The parent writes while the child looks.
	int to_child[2], to_parent[2];
	MUST(pipe(to_child));
	MUST(pipe(to_parent));
	memset(p, 'o', PAGES * PAGE);
	pid_t pid = fork();
	if (pid == 0) {
		char c;
		if (read(to_child[0], &c, 1) != 1) _exit(9);
		int wrong = 0;
		for (int i = 0; i < PAGES * PAGE; i++) wrong += p[i] != 'o';
		memset(p, 'c', PAGES * PAGE / 2);
		if (write(to_parent[1], &c, 1) != 1) _exit(9);
		if (read(to_child[0], &c, 1) != 1) _exit(9);
		for (int i = PAGES * PAGE / 2; i < PAGES * PAGE; i++) wrong += p[i] != 'o';
		_exit(wrong == 0 ? 0 : 1);
	}
	memset(p, 'P', PAGES * PAGE / 4);
	char c = 'x';
	MUST(write(to_child[1], &c, 1));
	MUST(read(to_parent[0], &c, 1));
	int wrong = 0;
	for (int i = 0; i < PAGES * PAGE; i++) wrong += p[i] != (i < PAGES * PAGE / 4 ? 'P' : 'o');
	say("parent's wrong bytes: %d\n", wrong);
	memset(p, 'Q', PAGES * PAGE);
	MUST(write(to_child[1], &c, 1));
	say("child: %s\n", wname(reap(pid)));
	// read(2) into pages still shared after fork: only the reader gets the bytes.
	memset(p, 's', 4 * PAGE);
	int fds[2];
	MUST(pipe(fds));
	static char source[2 * PAGE];
	memset(source, 'r', sizeof source);
	MUST(write(fds[1], source, sizeof source));
	pid = fork();
	if (pid == 0) {
		if (read(fds[0], p + 100, sizeof source) != sizeof source) _exit(2);
		_exit(p[99] == 's' && p[100] == 'r' && p[100 + 2 * PAGE] == 's' ? 0 : 1);
	}
	say("kernel wrote the child's copy: %s\n", wname(reap(pid)));
	wrong = 0;
	for (int i = 0; i < 4 * PAGE; i++) wrong += p[i] != 's';
	say("parent's wrong bytes: %d\n", wrong);
	// Unmapping or exiting in one process leaves the other's pages.
	pid = fork();
	if (pid == 0) {
		munmap(p, PAGES * PAGE);
		_exit(0);
	}
	reap(pid);
	say("after the child's munmap: %c\n", p[0]);
	// Many children at once, each with a pattern of its own.
	pid_t pids[16];
	for (int k = 0; k < 16; k++) {
		pids[k] = fork();
		if (pids[k] == 0) {
			memset(p, k, PAGES * PAGE);
			sched_yield();
			for (int i = 0; i < PAGES * PAGE; i++) {
				if (p[i] != k) _exit(1);
			}
			_exit(0);
		}
	}
	int failed = 0;
	for (int k = 0; k < 16; k++) failed += reap(pids[k]) != 0;
	say("children that saw others' bytes: %d\n", failed);
	return 0;
}

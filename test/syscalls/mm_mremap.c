// mremap(2): shrink, grow in place, move, move to a fixed place, a file mapping, old size 0, and after fork.
#include "check.h"

static int filled(const char *p, long length, char c) {
	for (long i = 0; i < length; i++) {
		if (p[i] != c) return 0;
	}
	return 1;
}

int main(void) {
	// A reserved range, so that what lies behind is known.
	char *p = mmap(NULL, 32 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MUST(munmap(p, 32 * PAGE));
	p = mmap(p, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	memset(p, 'a', 8 * PAGE);
	char *q = mremap(p, 8 * PAGE, 5 * PAGE, 0);
	YES("shrink in place", q == p && filled(p, 5 * PAGE, 'a'));
	say("behind: %s\n", probe('r', p + 5 * PAGE));
	q = mremap(p, 5 * PAGE, 8 * PAGE, 0);
	YES("grow into the hole", q == p && filled(p, 5 * PAGE, 'a') && filled(p + 5 * PAGE, 3 * PAGE, 0));
	// Something behind: no growth in place, but a move.
	char *block = mmap(p + 8 * PAGE, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	YES("block", block == p + 8 * PAGE);
	errno = 0;
	q = mremap(p, 8 * PAGE, 9 * PAGE, 0);
	say("grow against a mapping: %s\n", q == MAP_FAILED ? ename(errno) : "ok");
	q = mremap(p, 8 * PAGE, 64 * PAGE, MREMAP_MAYMOVE);
	YES("moved", q != MAP_FAILED && q != p && filled(q, 5 * PAGE, 'a') && filled(q + 5 * PAGE, 59 * PAGE, 0));
	say("old place: %s\n", probe('r', p));
	char *target = anon(16 * PAGE);
	memset(target, 't', 16 * PAGE);
	char *r = mremap(q, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target + 4 * PAGE);
	YES("fixed", r == target + 4 * PAGE && filled(r, 4 * PAGE, 'a') && target[3 * PAGE] == 't' && target[8 * PAGE] == 't');
	say("source after a partial move: %s, rest %s\n", probe('r', q), q[4 * PAGE] == 'a' ? "kept" : "lost");
	// Protection and advice move along.
	MUST(mprotect(target, PAGE, PROT_READ));
	r = mremap(target, PAGE, 2 * PAGE, MREMAP_MAYMOVE);
	say("protection moved: %s\n", r == MAP_FAILED ? "failed" : probe('w', r));
	// A shared file mapping stays attached to its file.
	int fd = open("file", O_RDWR | O_CREAT, 0644);
	MUST(ftruncate(fd, 8 * PAGE));
	char *m = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, PAGE);
	strcpy(m, "page one");
	char *n = mremap(m, 2 * PAGE, 4 * PAGE, MREMAP_MAYMOVE);
	strcpy(n + 3 * PAGE, "page four");
	char text[16] = {0};
	SHOW(pread(fd, text, 9, 4 * PAGE));
	say("%s, %s\n", n, text);
	// Old size 0 of a shared mapping makes a second one; of a private one it is EINVAL.
	char *twin = mremap(n, 0, PAGE, MREMAP_MAYMOVE);
	YES("twin", twin != MAP_FAILED && twin != n);
	if (twin != MAP_FAILED) {
		twin[0] = 'P';
		say("%s\n", n);
	}
	errno = 0;
	char *bad = mremap(q + 4 * PAGE, 0, PAGE, MREMAP_MAYMOVE);
	say("old size 0, private: %s\n", bad == MAP_FAILED ? ename(errno) : "ok");
	// MREMAP_DONTUNMAP leaves an empty mapping behind.
	char *d = anon(2 * PAGE);
	memset(d, 'd', 2 * PAGE);
	char *e = (char *)syscall(SYS_mremap, d, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	if (e == MAP_FAILED) say("dontunmap: %s\n", ename(errno));
	else say("dontunmap: new %s, old %s\n", yes(filled(e, 2 * PAGE, 'd')), yes(filled(d, 2 * PAGE, 0)));
	// Copy-on-write pages keep their content on both sides.
	char *c = anon(4 * PAGE);
	memset(c, 'c', 4 * PAGE);
	pid_t pid = fork();
	if (pid == 0) {
		char *moved = mremap(c, 4 * PAGE, 40 * PAGE, MREMAP_MAYMOVE);
		moved[0] = 'x';
		_exit(filled(moved + 1, 4 * PAGE - 1, 'c') ? 0 : 1);
	}
	say("child moved: %s, parent kept: %s\n", wname(reap(pid)), yes(filled(c, 4 * PAGE, 'c')));
	// Growing realloc-like in small steps.
	char *g = anon(PAGE);
	g[0] = 'g';
	for (long size = 1; size < 200; size++) {
		g = mremap(g, (size_t)(size * PAGE), (size_t)((size + 1) * PAGE), MREMAP_MAYMOVE);
		if (g == MAP_FAILED) die("growth at %ld", size);
		g[size * PAGE] = (char)size;
	}
	int wrong = 0;
	for (long i = 1; i < 200; i++) wrong += g[i * PAGE] != (char)i;
	say("wrong after 199 growths: %d, first byte %c\n", wrong, g[0]);
	return 0;
}

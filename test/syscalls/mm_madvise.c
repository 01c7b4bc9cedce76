// madvise(2): DONTNEED drops, DONTFORK and WIPEONFORK act on fork, hints are accepted, a populated range is there.
#include "check.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

int main(void) {
	char *p = anon(4 * PAGE);
	memset(p, 'x', 4 * PAGE);
	SHOW(madvise(p + PAGE, 2 * PAGE, MADV_DONTNEED));
	say("%c %d %d %c\n", p[0], p[PAGE], p[3 * PAGE - 1], p[3 * PAGE]);
	p[PAGE] = 'y';
	say("writable again: %c\n", p[PAGE]);
	// Private file mapping: back to the file's bytes. Shared: nothing is lost.
	put("file", "file bytes");
	int fd = open("file", O_RDWR);
	char *f = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	f[0] = 'F';
	SHOW(madvise(f, PAGE, MADV_DONTNEED));
	say("%.10s\n", f);
	char *s = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	s[0] = 'S';
	SHOW(madvise(s, PAGE, MADV_DONTNEED));
	say("%.10s\n", s);
	char *a = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	a[0] = 'A';
	SHOW(madvise(a, PAGE, MADV_DONTNEED));
	say("shared anonymous keeps: %c\n", a[0]);
	// fork
	char *d = anon(PAGE), *w = anon(PAGE), *k = anon(PAGE);
	d[0] = w[0] = k[0] = 'k';
	SHOW(madvise(d, PAGE, MADV_DONTFORK));
	SHOW(madvise(w, PAGE, MADV_WIPEONFORK));
	pid_t pid = fork();
	if (pid == 0) {
		say("child: dontfork %s\n", probe('r', d));
		say("child: wipeonfork %d, plain %c\n", w[0], k[0]);
		_exit(0);
	}
	reap(pid);
	say("parent: %c %c %c\n", d[0], w[0], k[0]);
	SHOW(madvise(d, PAGE, MADV_DOFORK));
	SHOW(madvise(w, PAGE, MADV_KEEPONFORK));
	pid = fork();
	if (pid == 0) {
		say("child: %c %c\n", d[0], w[0]);
		_exit(0);
	}
	reap(pid);
	SHOW(madvise(f, PAGE, MADV_WIPEONFORK));
	// After fork a DONTNEED in one process does not touch the other's page.
	pid = fork();
	if (pid == 0) {
		madvise(k, PAGE, MADV_DONTNEED);
		_exit(k[0]);
	}
	say("child dropped: %s, parent: %c\n", wname(reap(pid)), k[0]);
	SHOW(madvise(p, PAGE, MADV_NORMAL));
	SHOW(madvise(p, PAGE, MADV_RANDOM));
	SHOW(madvise(p, PAGE, MADV_SEQUENTIAL));
	SHOW(madvise(p, PAGE, MADV_WILLNEED));
	SHOW(madvise(f, PAGE, MADV_WILLNEED));
	SHOW(madvise(p, PAGE, MADV_DONTDUMP));
	SHOW(madvise(p, PAGE, MADV_DODUMP));
	SHOW(madvise(p, PAGE, MADV_FREE));
	SHOW(madvise(f, PAGE, MADV_FREE));
	SHOW(madvise(p, 4 * PAGE, MADV_POPULATE_WRITE));
	// MADV_REMOVE punches a hole into shared memory.
	a[0] = 'R';
	SHOW(madvise(a, PAGE, MADV_REMOVE));
	say("after MADV_REMOVE: %d\n", a[0]);
	SHOW(madvise(k, PAGE, MADV_REMOVE));
	return 0;
}

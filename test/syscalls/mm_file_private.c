// MAP_PRIVATE of a file: sees the file, never changes it; the tail of the last page; offsets; mapping outlives close and unlink.
#include "check.h"

int main(void) {
	int fd = open("file", O_RDWR | O_CREAT, 0644);
	char block[PAGE];
	for (int i = 0; i < 4; i++) {
		memset(block, 'a' + i, PAGE);
		if (write(fd, block, i == 3 ? 100 : PAGE) < 0) die("write");
	}
	char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED) die("mmap");
	say("%c %c %c %c\n", p[0], p[PAGE], p[2 * PAGE], p[3 * PAGE + 99]);
	say("tail of the last page: %d %d\n", p[3 * PAGE + 100], p[4 * PAGE - 1]);
	p[0] = 'X';
	p[3 * PAGE + 200] = 'Y';
	char c = 0;
	SHOW(pread(fd, &c, 1, 0));
	say("file still: %c\n", c);
	struct stat st;
	MUST(fstat(fd, &st));
	say("size still: %ld\n", (long)st.st_size);
	// A page written to does not show what others write to the file (for other pages that is unspecified).
	MUST(pwrite(fd, "1", 1, 0));
	say("own page: %c\n", p[0]);
	char *second = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 2 * PAGE);
	say("at an offset: %c\n", second[10]);
	char *other = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	say("another mapping sees the file, not the copy: %c\n", other[0]);
	MUST(close(fd));
	MUST(unlink("file"));
	say("after close and unlink: %c %c %c\n", p[0], p[PAGE], p[2 * PAGE]);
	p[PAGE + 1] = 'Z';
	say("write: %c\n", p[PAGE + 1]);
	// fork: both sides have their own copy.
	pid_t pid = fork();
	if (pid == 0) {
		p[0] = 'C';
		p[2 * PAGE] = 'D';
		_exit(p[PAGE + 1] == 'Z' ? 0 : 1);
	}
	say("child: %s\n", wname(reap(pid)));
	say("parent keeps: %c %c\n", p[0], p[2 * PAGE]);
	// mprotect: read-only file, private and writable.
	put("ro", "read only\n");
	fd = open("ro", O_RDONLY);
	char *q = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	SHOW(mprotect(q, PAGE, PROT_READ | PROT_WRITE));
	q[0] = 'R';
	say("%.9s / %s", q, cat("ro"));
	// read(2) into a private mapping of the same file.
	MUST(lseek(fd, 5, SEEK_SET));
	SHOW(read(fd, q, 4));
	say("%.9s\n", q);
	// A mapping larger than the file: access within its last page only.
	q = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	say("in the last page: %s\n", probe('r', q + PAGE - 1));
	say("behind it: %s\n", probe('r', q + PAGE));
	say("write behind it: %s\n", probe('w', q + 2 * PAGE));
	return 0;
}

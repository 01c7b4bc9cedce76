// MAP_SHARED of a file: stores reach the file and other processes, writes reach the mapping; growth, truncation and SIGBUS.
#include "check.h"

int main(void) {
	int fd = open("file", O_RDWR | O_CREAT, 0644);
	MUST(ftruncate(fd, 3 * PAGE));
	char *p = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char *q = mmap(NULL, 3 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	char *private = mmap(NULL, 3 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED || q == MAP_FAILED || private == MAP_FAILED) die("mmap");
	strcpy(p + 100, "stored");
	say("second mapping: %s\n", q + 100);
	say("private mapping: %s\n", private + 100);
	char text[16] = {0};
	SHOW(pread(fd, text, 6, 100));
	say("read: %s\n", text);
	SHOW(pwrite(fd, "written", 8, PAGE + 1));
	say("mapping: %s\n", p + PAGE + 1);
	pid_t pid = fork();
	if (pid == 0) {
		strcpy(p + 2 * PAGE, "from the child");
		int again = open("file", O_RDWR);
		char *m = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, again, 0);
		strcpy(m + 200, "own mapping");
		_exit(0);
	}
	say("child: %s\n", wname(reap(pid)));
	say("%s, %s\n", p + 2 * PAGE, q + 200);
	SHOW(msync(p, 3 * PAGE, MS_SYNC));
	SHOW(msync(p, 3 * PAGE, MS_ASYNC | MS_INVALIDATE));
	// Truncation takes pages away, growing brings zero pages back.
	MUST(ftruncate(fd, PAGE + 10));
	say("kept page: %s\n", probe('r', p + PAGE));
	say("cut page: %s\n", probe('r', p + 2 * PAGE));
	say("cut page, private: %s\n", probe('r', private + 2 * PAGE));
	say("rest of the page with the end: %d\n", p[PAGE + 10]);
	p[PAGE + 50] = 'x';  // behind the end: never part of the file
	MUST(ftruncate(fd, 3 * PAGE));
	say("page back: %s, zero: %d\n", probe('r', p + 2 * PAGE), p[2 * PAGE]);
	SHOW(pread(fd, text, 8, PAGE + 1));
	say("kept part: %.9s\n", text);
	// O_TRUNC and writes by another descriptor.
	int other = open("file", O_RDWR | O_TRUNC);
	say("after O_TRUNC: %s\n", probe('r', p));
	MUST(write(other, "new content", 11));
	say("after a write: %.11s\n", p);
	// The system call that touches such a page gets EFAULT, no signal.
	MUST(ftruncate(fd, 0));
	int fds[2];
	MUST(pipe(fds));
	SHOW(write(fds[1], p, 10));
	MUST(write(fds[1], "abc", 3));
	SHOW(read(fds[0], p, 3));
	MUST(ftruncate(fd, PAGE));
	SHOW(read(fds[0], p, 3));
	say("%.3s\n", p);
	// Survives close and unlink, and remains shared with a descriptor of the same file.
	MUST(unlink("file"));
	p[0] = 'U';
	SHOW(pread(fd, text, 3, 0));
	say("%.3s\n", text);
	return 0;
}

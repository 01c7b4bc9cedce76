// /dev: null, zero, full, random, urandom, tty, fd, stdin and its like, ptmx, shm.
#include "check.h"
#include <sys/ioctl.h>
#include <sys/uio.h>

static char block[100000];

static int zeros(size_t n) {
	for (size_t i = 0; i < n; i++) {
		if (block[i] != 0) return 0;
	}
	return 1;
}

int main(void) {
	int null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDWR), full = open("/dev/full", O_RDWR), urandom = open("/dev/urandom", O_RDWR), random = open("/dev/random", O_RDONLY);
	SHOW(read(null, block, 10));
	SHOW(write(null, block, 100000));
	SHOW(lseek(null, 1000, SEEK_SET));
	SHOW(pwrite(null, block, 10, 1 << 30));
	SHOW(pread(null, block, 10, 1 << 30));
	SHOW(write(null, WILD, 10));
	memset(block, 1, sizeof block);
	SHOW(read(zero, block, sizeof block));
	YES("zeros", zeros(sizeof block));
	SHOW(write(zero, block, 100));
	memset(block, 1, sizeof block);
	SHOW(read(full, block, 1000));
	YES("zeros", zeros(1000));
	SHOW(write(full, block, 1));
	SHOW(write(full, block, 0));
	SHOW(lseek(full, 5, SEEK_SET));
	SHOW(read(urandom, block, sizeof block));
	YES("not zeros", !zeros(sizeof block));
	char other[64];
	SHOW(read(random, other, sizeof other));
	YES("differ", memcmp(block, other, sizeof other) != 0);
	SHOW(write(urandom, block, 10));
	SHOW(write(random, block, 10));
	SHOW(read(urandom, WILD, 10));
	SHOW(ftruncate(null, 0));
	SHOW(open("/dev/null", O_WRONLY | O_TRUNC | O_CREAT | O_APPEND, 0600) >= 0);
	SHOW(open("/dev/null/x", O_RDONLY));
	SHOW(open("/dev/missing", O_RDONLY));
	SHOW(ioctl(null, TCGETS, block));
	SHOW(fsync(null));
	char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, zero, 0);
	say("mapped zero: %d\n", p == MAP_FAILED ? -1 : p[100]);
	p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, null, 0);
	say("mapped null: %s\n", p == MAP_FAILED ? ename(errno) : "ok");
	struct iovec iov[2] = {{block, 10}, {block + 10, 20}};
	SHOW(readv(zero, iov, 2));
	SHOW(writev(null, iov, 2));
	// /dev/fd and the standard three.
	put("f", "through dev fd");
	int f = open("f", O_RDONLY);
	char path[32];
	snprintf(path, sizeof path, "/dev/fd/%d", f);
	int again = open(path, O_RDONLY);
	memset(block, 0, 20);
	SHOW(read(again, block, 20));
	say("%s\n", block);
	SHOW(open("/dev/fd/99", O_RDONLY));
	MUST(dup2(f, 0));
	again = open("/dev/stdin", O_RDONLY);
	memset(block, 0, 20);
	SHOW(read(again, block, 20));
	say("%s\n", block);
	SHOW(access("/dev/stdout", F_OK));
	SHOW(access("/dev/stderr", F_OK));
	// A pseudo terminal pair comes from ptmx.
	int master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
	YES("ptmx", master >= 0);
	int number = -1;
	SHOW(ioctl(master, TIOCGPTN, &number));
	YES("number", number >= 0);
	// Shared memory files.
	char shm_name[64];
	snprintf(shm_name, sizeof shm_name, "/dev/shm/tsvisor-test-%d", (int)getpid());
	int shm = open(shm_name, O_RDWR | O_CREAT | O_EXCL, 0600);
	YES("shm", shm >= 0);
	SHOW(ftruncate(shm, 2 * PAGE));
	p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, shm, 0);
	strcpy(p + PAGE, "shared");
	pid_t pid = fork();
	if (pid == 0) {
		int own = open(shm_name, O_RDWR);
		char *q = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, own, 0);
		int good = strcmp(q + PAGE, "shared") == 0;
		strcpy(q, "answer");
		_exit(good ? 0 : 1);
	}
	say("%s, ", wname(reap(pid)));
	say("%s\n", p);
	SHOW(unlink(shm_name));
	return 0;
}

// Record locks (fcntl) and flock(2): conflicts, splitting, who holds what, release on close and exit, waiting, deadlock, open-file locks.
#include "check.h"
#include <sys/file.h>

static int fd;

static const char *lock(int file, int command, short type, off_t start, off_t length) {
	struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
	return fcntl(file, command, &l) == 0 ? "ok" : ename(errno);
}

static void get(const char *label, short type, off_t start, off_t length, pid_t holder) {
	struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
	if (fcntl(fd, F_GETLK, &l) != 0) {
		say("%s: %s\n", label, ename(errno));
		return;
	}
	if (l.l_type == F_UNLCK) say("%s: free\n", label);
	else say("%s: %s lock from %ld length %ld, holder %s\n", label, l.l_type == F_RDLCK ? "read" : "write", (long)l.l_start, (long)l.l_len, yes(l.l_pid == holder));
}

static int ready[2], go[2];
static void tell(void) { MUST(write(ready[1], "r", 1)); }
static void told(int *fds) {
	char c;
	MUST(read(fds[0], &c, 1));
}

int main(void) {
	MUST(pipe(ready));
	MUST(pipe(go));
	fd = open("file", O_RDWR | O_CREAT, 0644);
	MUST(ftruncate(fd, 1000));
	pid_t pid = fork();
	if (pid == 0) {
		int own = open("file", O_RDWR);
		say("child write lock 100-199: %s\n", lock(own, F_SETLK, F_WRLCK, 100, 100));
		say("child read lock 300-: %s\n", lock(own, F_SETLK, F_RDLCK, 300, 0));
		tell();
		told(go);
		say("child unlocks 140-159: %s\n", lock(own, F_SETLK, F_UNLCK, 140, 20));
		tell();
		told(go);
		close(open("file", O_RDONLY));  // closing any descriptor of the file drops all locks
		tell();
		told(go);
		say("child locks all: %s\n", lock(own, F_SETLK, F_WRLCK, 0, 0));
		tell();
		told(go);
		_exit(0);
	}
	told(ready);
	get("0-99", F_WRLCK, 0, 100, pid);
	get("0-149", F_WRLCK, 0, 150, pid);
	get("read 150", F_RDLCK, 150, 1, pid);
	get("read 500", F_RDLCK, 500, 1, pid);
	get("write 500", F_WRLCK, 500, 1, pid);
	say("SETLK write 150: %s\n", lock(fd, F_SETLK, F_WRLCK, 150, 10));
	say("SETLK read 150: %s\n", lock(fd, F_SETLK, F_RDLCK, 150, 10));
	say("SETLK read 400: %s\n", lock(fd, F_SETLK, F_RDLCK, 400, 10));
	say("SETLK write 200-299: %s\n", lock(fd, F_SETLK, F_WRLCK, 200, 100));
	MUST(write(go[1], "g", 1));
	told(ready);
	get("after the hole 100", F_WRLCK, 100, 50, pid);
	get("in the hole", F_WRLCK, 140, 20, pid);
	get("behind the hole", F_WRLCK, 150, 20, pid);
	MUST(write(go[1], "g", 1));
	told(ready);
	get("after the child closed a descriptor", F_WRLCK, 0, 0, pid);
	say("unlock own: %s\n", lock(fd, F_SETLK, F_UNLCK, 0, 0));
	MUST(write(go[1], "g", 1));
	told(ready);
	say("while all is locked: %s\n", lock(fd, F_SETLK, F_RDLCK, 0, 1));
	// F_SETLKW waits until the child exits.
	pid_t waker = fork();
	if (waker == 0) {
		sleep_ms(30);
		MUST(write(go[1], "g", 1));
		_exit(0);
	}
	say("SETLKW: %s\n", lock(fd, F_SETLKW, F_WRLCK, 0, 1));
	reap(waker);
	say("child: %s\n", wname(reap(pid)));
	// Deadlock: each holds one byte and waits for the other's.
	say("parent locks 1: %s\n", lock(fd, F_SETLK, F_WRLCK, 1, 1));
	pid = fork();
	if (pid == 0) {
		MUST(lseek(fd, 0, SEEK_SET));
		if (strcmp(lock(fd, F_SETLK, F_WRLCK, 2, 1), "ok") != 0) _exit(3);
		tell();
		const char *result = lock(fd, F_SETLKW, F_WRLCK, 1, 1);
		_exit(strcmp(result, "ok") == 0 ? 0 : 1);
	}
	told(ready);
	sleep_ms(40);
	say("parent waits for 2: %s\n", lock(fd, F_SETLKW, F_WRLCK, 2, 1));
	lock(fd, F_SETLK, F_UNLCK, 0, 0);
	say("child got 1: %s\n", wname(reap(pid)));
	int reader = open("file", O_RDONLY), writer = open("file", O_WRONLY);
	say("write lock on a reader: %s\n", lock(reader, F_SETLK, F_WRLCK, 0, 1));
	say("read lock on a writer: %s\n", lock(writer, F_SETLK, F_RDLCK, 0, 1));
	say("type 99: %s\n", lock(fd, F_SETLK, 99, 0, 1));
	say("negative start: %s\n", lock(fd, F_SETLK, F_RDLCK, -5, 1));
	say("negative length: %s\n", lock(fd, F_SETLK, F_RDLCK, 10, -5));
	SHOW(fcntl(fd, F_SETLK, WILD));
	SHOW(fcntl(99, F_SETLK, &(struct flock){.l_type = F_RDLCK}));
	lock(fd, F_SETLK, F_UNLCK, 0, 0);
	// Open-file-description locks conflict between descriptors of one process.
	int a = open("file", O_RDWR), b = open("file", O_RDWR);
	say("OFD a: %s\n", lock(a, F_OFD_SETLK, F_WRLCK, 0, 10));
	say("OFD b: %s\n", lock(b, F_OFD_SETLK, F_WRLCK, 5, 10));
	close(a);
	say("OFD b after close: %s\n", lock(b, F_OFD_SETLK, F_WRLCK, 5, 10));
	close(b);
	// flock: belongs to the open file; shared by dup and fork; upgrades.
	a = open("file", O_RDWR);
	b = open("file", O_RDWR);
	SHOW(flock(a, LOCK_SH));
	SHOW(flock(b, LOCK_SH | LOCK_NB));
	SHOW(flock(a, LOCK_EX | LOCK_NB));
	SHOW(flock(b, LOCK_UN));
	SHOW(flock(a, LOCK_EX | LOCK_NB));
	int copy = dup(a);
	close(a);
	SHOW(flock(b, LOCK_SH | LOCK_NB));
	SHOW(flock(copy, LOCK_UN));
	SHOW(flock(b, LOCK_EX | LOCK_NB));
	SHOW(flock(b, 0));
	SHOW(flock(99, LOCK_SH));
	return 0;
}

// Pipes: order, EOF, partial reads, flags, fstat, what cannot be done with them, errors.
#include "check.h"
#include <sys/ioctl.h>

int main(void) {
	int fds[2];
	char text[32] = {0};
	SHOW(pipe(fds));
	say("descriptors %d %d\n", fds[0], fds[1]);
	SHOW(write(fds[1], "hello ", 6));
	SHOW(write(fds[1], "world", 5));
	int available = -1;
	SHOW(ioctl(fds[0], FIONREAD, &available));
	say("available %d\n", available);
	SHOW(read(fds[0], text, 3));
	SHOW(read(fds[0], text + 3, 20));
	say("%s\n", text);
	SHOW(write(fds[1], text, 0));
	SHOW(read(fds[0], text, 0));
	SHOW(write(fds[0], "x", 1));
	SHOW(read(fds[1], text, 1));
	SHOW(lseek(fds[0], 0, SEEK_SET));
	SHOW(pread(fds[0], text, 1, 0));
	SHOW(pwrite(fds[1], text, 1, 0));
	SHOW(ftruncate(fds[1], 0));
	SHOW(fsync(fds[1]));
	SHOW(fchdir(fds[0]));
	struct stat a, b;
	MUST(fstat(fds[0], &a));
	MUST(fstat(fds[1], &b));
	say("type %c, same inode %s, mode %o, size %ld\n", type_letter(a.st_mode), yes(a.st_ino == b.st_ino && a.st_dev == b.st_dev), a.st_mode & 07777, (long)a.st_size);
	say("access modes %d %d\n", fcntl(fds[0], F_GETFL) & O_ACCMODE, fcntl(fds[1], F_GETFL) & O_ACCMODE);
	// EOF only when the last writer is gone, also one that came from dup or fork.
	int copy = dup(fds[1]);
	MUST(write(copy, "x", 1));
	close(fds[1]);
	SHOW(read(fds[0], text, 10));
	pid_t pid = fork();
	if (pid == 0) {
		close(fds[0]);
		sleep_ms(30);
		(void)!write(copy, "late", 4);
		_exit(0);
	}
	close(copy);
	SHOW(read(fds[0], text, 10));
	SHOW(read(fds[0], text, 10));
	SHOW(read(fds[0], text, 10));
	reap(pid);
	close(fds[0]);
	SHOW(pipe(WILD));
	SHOW(pipe(NIL));
	SHOW(pipe2(fds, O_APPEND));
	SHOW(pipe2(fds, O_CLOEXEC | O_NONBLOCK));
	say("flags %d %d, nonblock %s\n", fcntl(fds[0], F_GETFD), fcntl(fds[1], F_GETFD), yes(fcntl(fds[0], F_GETFL) & O_NONBLOCK));
	SHOW(read(fds[0], text, 1));
	SHOW(read(fds[0], WILD, 1));
	SHOW(write(fds[1], WILD, 1));
	MUST(write(fds[1], "ab", 2));
	SHOW(read(fds[0], WILD, 1));
	SHOW(read(fds[0], text, 10));
	// A pipe through /proc/self/fd can be opened again.
	char path[64];
	snprintf(path, sizeof path, "/proc/self/fd/%d", fds[0]);
	int again = open(path, O_RDONLY | O_NONBLOCK);
	YES("opened again", again >= 0);
	MUST(write(fds[1], "y", 1));
	SHOW(read(again, text, 10));
	// No descriptors left: nothing is made.
	struct rlimit limit = {(rlim_t)again + 2, 4096};
	MUST(setrlimit(RLIMIT_NOFILE, &limit));
	int more[2] = {-7, -7};
	SHOW(pipe(more));
	say("%d %d, first free again %d\n", more[0], more[1], dup(0) == again + 1);
	return 0;
}

// dup, dup2, dup3, F_DUPFD: the lowest number, what is shared, close-on-exec, limits, errors.
#include "check.h"

int main(void) {
	put("file", "0123456789");
	int fd = open("file", O_RDWR);
	say("open gives the lowest: %d\n", fd);
	SHOW(dup(fd));
	SHOW(fcntl(fd, F_DUPFD, 10));
	SHOW(fcntl(fd, F_DUPFD, 10));
	SHOW(fcntl(fd, F_DUPFD_CLOEXEC, 20));
	SHOW(fcntl(20, F_GETFD));
	SHOW(dup2(fd, 30));
	SHOW(dup2(fd, fd));
	SHOW(dup2(20, 30));
	SHOW(fcntl(30, F_GETFD));
	SHOW(dup3(fd, 31, O_CLOEXEC));
	SHOW(fcntl(31, F_GETFD));
	SHOW(dup3(fd, fd, 0));
	SHOW(dup3(fd, 32, O_NONBLOCK));
	SHOW(dup2(fd, -1));
	SHOW(dup2(-1, 5));
	SHOW(dup2(99, 5));
	SHOW(dup2(99, 99));
	SHOW(dup(99));
	SHOW(dup2(fd, 1024));
	SHOW(dup2(fd, 1023));
	SHOW(fcntl(fd, F_DUPFD, 1024));
	SHOW(fcntl(fd, F_DUPFD, 1023));
	SHOW(fcntl(fd, F_DUPFD, -1));
	// Shared: offset and status flags. Not shared: FD_CLOEXEC.
	MUST(lseek(4, 5, SEEK_SET));
	say("offset through the other: %ld\n", (long)lseek(fd, 0, SEEK_CUR));
	MUST(fcntl(4, F_SETFL, O_APPEND | O_NONBLOCK));
	say("flags: append %s nonblock %s\n", yes(fcntl(fd, F_GETFL) & O_APPEND), yes(fcntl(fd, F_GETFL) & O_NONBLOCK));
	MUST(fcntl(4, F_SETFD, FD_CLOEXEC));
	SHOW(fcntl(fd, F_GETFD));
	// An independent open has its own.
	int other = open("file", O_RDONLY);
	say("own offset %ld\n", (long)lseek(other, 0, SEEK_CUR));
	// Closing one leaves the other; the number is free again.
	MUST(close(fd));
	SHOW(read(4, (char[4]){0}, 2));
	SHOW(close(fd));
	SHOW(open("file", O_RDONLY));
	SHOW(close(-1));
	SHOW(close(1000000));
	SHOW(fcntl(99, F_GETFD));
	SHOW(fcntl(-1, F_GETFL));
	SHOW(fcntl(4, 9999));
	// dup2 onto an open descriptor closes what was there: the pipe's reader sees EOF.
	int fds[2];
	char c;
	MUST(pipe(fds));
	SHOW(dup2(4, fds[1]) == fds[1]);
	SHOW(read(fds[0], &c, 1));
	// Up to the limit.
	int count = 0, last = 0;
	struct rlimit limit = {64, 4096};
	MUST(setrlimit(RLIMIT_NOFILE, &limit));
	for (int n; (n = dup(4)) >= 0; count++) last = n;
	say("last %d: %s\n", last, ename(errno));
	SHOW(open("file", O_RDONLY));
	SHOW(close(40));
	SHOW(open("file", O_RDONLY));
	// Descriptors above a lowered limit stay usable.
	SHOW(fcntl(1023, F_GETFD));
	SHOW(close_range(10, 1030, 0));
	SHOW(fcntl(10, F_GETFD));
	SHOW(fcntl(9, F_GETFD));
	SHOW(close_range(5, 4, 0));
	SHOW(close_range(5, 9, 0x80));
	SHOW(close_range(5, 9, CLOSE_RANGE_CLOEXEC));
	SHOW(fcntl(9, F_GETFD));
	return 0;
}

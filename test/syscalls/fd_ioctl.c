// ioctl requests of all files, signal-driven I/O, and fcntl commands about it.
#include "check.h"
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static volatile sig_atomic_t count, last;

static void handler(int sig) {
	count++;
	last = sig;
}

int main(void) {
	put("f", "hello");
	int f = open("f", O_RDWR), path = open("f", O_PATH), dir = open(".", O_RDONLY), fds[2], n = -1;
	MUST(pipe(fds));
	MUST(write(fds[1], "abc", 3));
	MUST(lseek(f, 2, SEEK_SET));
	SHOW(ioctl(f, FIONREAD, &n));
	say("%d\n", n);
	SHOW(ioctl(fds[0], FIONREAD, &n));
	say("%d\n", n);
	SHOW(ioctl(f, FIONREAD, LOW));
	SHOW(ioctl(dir, FIONREAD, &n));
	SHOW(ioctl(path, FIONREAD, &n));
	SHOW(ioctl(99, FIONREAD, &n));
	SHOW(ioctl(f, 0x1234, 0));
	SHOW(ioctl(f, TIOCGWINSZ, &n));
	SHOW(ioctl(fds[0], TIOCGPGRP, &n));
	SHOW(isatty(f));
	n = 1;
	SHOW(ioctl(fds[0], FIONBIO, &n));
	YES("nonblocking", fcntl(fds[0], F_GETFL) & O_NONBLOCK);
	n = 0;
	SHOW(ioctl(fds[0], FIONBIO, &n));
	YES("nonblocking", fcntl(fds[0], F_GETFL) & O_NONBLOCK);
	SHOW(ioctl(fds[0], FIONBIO, LOW));
	SHOW(ioctl(f, FIOCLEX));
	SHOW(fcntl(f, F_GETFD));
	SHOW(ioctl(f, FIONCLEX));
	SHOW(fcntl(f, F_GETFD));
	SHOW(ioctl(path, FIOCLEX));
	n = 1;
	SHOW(ioctl(f, FIOASYNC, &n));
	SHOW(ioctl(fds[0], FIOASYNC, &n));
	YES("async", fcntl(fds[0], F_GETFL) & O_ASYNC);
	n = 0;
	SHOW(ioctl(fds[0], FIOASYNC, &n));
	YES("async", fcntl(fds[0], F_GETFL) & O_ASYNC);
	// Who is told.
	struct f_owner_ex owner = {9, 9};
	SHOW(fcntl(fds[0], F_GETOWN));
	SHOW(fcntl(fds[0], F_SETOWN, getpid()));
	YES("own", fcntl(fds[0], F_GETOWN) == getpid());
	SHOW(fcntl(fds[0], F_GETOWN_EX, &owner));
	YES("a process", owner.type == F_OWNER_PID && owner.pid == getpid());
	SHOW(fcntl(fds[0], F_SETOWN, -getpgrp()));
	SHOW(fcntl(fds[0], F_GETOWN_EX, &owner));
	YES("a group", owner.type == F_OWNER_PGRP && owner.pid == getpgrp());
	owner = (struct f_owner_ex){F_OWNER_TID, (pid_t)syscall(SYS_gettid)};
	SHOW(fcntl(fds[0], F_SETOWN_EX, &owner));
	owner.type = 7;
	SHOW(fcntl(fds[0], F_SETOWN_EX, &owner));
	SHOW(fcntl(fds[0], F_SETOWN_EX, LOW));
	SHOW(fcntl(fds[0], F_SETOWN, INT_MIN));
	SHOW(fcntl(fds[0], F_SETSIG, 65));
	SHOW(fcntl(fds[0], F_SETSIG, -1));
	SHOW(fcntl(fds[0], F_GETSIG));
	// And told.
	signal(SIGIO, handler);
	signal(SIGUSR1, handler);
	char c[8];
	SHOW(fcntl(fds[0], F_SETFL, O_ASYNC | O_NONBLOCK));
	MUST(read(fds[0], c, sizeof c));
	count = 0;
	MUST(write(fds[1], "x", 1));
	YES("SIGIO once", count == 1 && last == SIGIO);
	SHOW(fcntl(fds[0], F_SETSIG, SIGUSR1));
	MUST(read(fds[0], c, sizeof c));
	count = 0;
	MUST(write(fds[1], "x", 1));
	YES("SIGUSR1 once", count == 1 && last == SIGUSR1);
	SHOW(fcntl(fds[0], F_SETFL, 0));
	count = 0;
	MUST(write(fds[1], "x", 1));
	SHOW(count);
	return 0;
}

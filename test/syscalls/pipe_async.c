// Which ends of pipes and FIFOs signal (O_ASYNC) what: each end has a list of its own.
#include "check.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

static int fds[8], count;

// Everything that waits, in the order of the ends' signals.
static void told(const char *what) {
	sigset_t set;
	sigemptyset(&set);
	for (int i = 0; i < 8; i++) sigaddset(&set, SIGRTMIN + i);
	sigaddset(&set, SIGIO);
	say("%s:", what);
	siginfo_t info;
	struct timespec none = {0, 0};
	while (sigtimedwait(&set, &info, &none) > 0) {
		if (info.si_signo == SIGIO) {
			say(" SIGIO code=%d", info.si_code);
			continue;
		}
		int end = info.si_signo - SIGRTMIN;
		say(" %d:code=%d band=%#lx%s", end, info.si_code, info.si_band, info.si_fd == fds[end] ? "" : " other fd");
	}
	say("\n");
}

static int with_signal(int fd) {
	fds[count] = fd;
	MUST(fcntl(fd, F_SETOWN, getpid()));
	MUST(fcntl(fd, F_SETSIG, SIGRTMIN + count));
	MUST(fcntl(fd, F_SETFL, O_NONBLOCK | O_ASYNC));
	return count++;
}

static void pipes(void) {
	int p[2], other[2];
	char bytes[8192] = {0};
	count = 0;
	MUST(pipe(p));
	MUST(pipe(other));
	with_signal(p[0]);
	with_signal(p[1]);
	told("start");
	SHOW(write(p[1], "abc", 3));
	told("write");
	SHOW(write(p[1], "abc", 3));
	told("write to one with content");
	SHOW(write(p[1], "abc", 0));
	told("write of nothing");
	SHOW(read(p[0], bytes, 0));
	told("read of nothing");
	SHOW(read(p[0], bytes, 2));
	told("read");
	SHOW(read(p[0], bytes, 20));
	told("read of the rest");
	SHOW(read(p[0], bytes, 20));
	told("read of none");
	SHOW(write(p[1], NIL, 3));
	told("write of unreadable bytes");
	SHOW(write(p[1], "abc", 3));
	told("write");
	SHOW(read(p[0], LOW, 3));
	told("read to nowhere");
	int held;
	SHOW(ioctl(p[0], FIONREAD, &held));
	SHOW(tee(p[0], other[1], 10, SPLICE_F_NONBLOCK));
	told("tee out of it");
	SHOW(tee(other[0], p[1], 10, SPLICE_F_NONBLOCK));
	told("tee into it");
	SHOW(splice(p[0], NULL, other[1], NULL, 2, SPLICE_F_NONBLOCK));
	told("splice out of it");
	SHOW(splice(other[0], NULL, p[1], NULL, 2, SPLICE_F_NONBLOCK));
	told("splice into it");
	struct iovec iov = {bytes, 4};
	SHOW(vmsplice(p[1], &iov, 1, SPLICE_F_NONBLOCK));
	told("vmsplice into it");
	SHOW(vmsplice(p[0], &iov, 1, SPLICE_F_NONBLOCK));
	told("vmsplice out of it");
	while (read(p[0], bytes, sizeof bytes) > 0) {
	}
	told("emptied");
	SHOW(splice(p[0], NULL, other[1], NULL, 2, SPLICE_F_NONBLOCK));
	told("splice of none");
	while (write(p[1], bytes, 4096) > 0) {
	}
	told("filled");
	SHOW(write(p[1], bytes, 4096));
	told("write without room");
	SHOW(fcntl(p[1], F_SETPIPE_SZ, 131072));
	told("larger");
	close(p[1]);
	told("writing end closed");
	while (read(p[0], bytes, sizeof bytes) > 0) {
	}
	told("emptied");
	SHOW(read(p[0], bytes, 1));
	told("read at the end");
}

static void broken(void) {
	int p[2], second;
	count = 0;
	signal(SIGPIPE, SIG_IGN);
	MUST(pipe(p));
	MUST(second = dup(p[1]));
	char name[40];
	snprintf(name, sizeof name, "/proc/self/fd/%d", p[1]);
	int again;
	MUST(again = open(name, O_WRONLY));
	with_signal(p[0]);
	with_signal(p[1]);
	close(p[0]);
	told("reading end closed");
	SHOW(write(p[1], "abc", 3));
	told("write to a broken one");
	SHOW(write(p[1], "abc", 0));
	told("write of nothing to a broken one");
	close(second);
	told("a duplicate closed");
	close(again);
	told("another writing end closed");
	int reader;
	MUST(reader = open(name, O_RDONLY | O_NONBLOCK));
	told("a reading end opened");
	SHOW(write(p[1], "abc", 3));
	told("write");
	close(reader);
	told("closed again");
	close(p[1]);
	told("the last one closed");
}

static void fifo(void) {
	int both, reader, writer, other;
	char bytes[10];
	count = 0;
	MUST(mkfifo("fifo", 0600));
	MUST(both = open("fifo", O_RDWR));
	MUST(reader = open("fifo", O_RDONLY | O_NONBLOCK));
	MUST(writer = open("fifo", O_WRONLY | O_NONBLOCK));
	MUST(other = open("fifo", O_RDONLY | O_NONBLOCK));
	with_signal(both);
	with_signal(reader);
	with_signal(writer);
	told("start");
	SHOW(write(writer, "abc", 3));
	told("write");
	SHOW(read(reader, bytes, 1));
	told("read");
	SHOW(write(both, "abc", 3));
	told("write to both");
	SHOW(read(both, bytes, 10));
	told("read of both");
	close(writer);
	told("a writing end closed");
	close(other);
	told("a reading end closed");
	close(both);
	told("both closed");
	MUST(both = open("fifo", O_RDWR));
	told("opened again");
	close(reader);
	told("reading end closed");
	close(both);
	unlink("fifo");
}

static void plain(void) {
	int p[2];
	char byte;
	MUST(pipe(p));
	MUST(fcntl(p[0], F_SETOWN, getpid()));
	MUST(fcntl(p[0], F_SETFL, O_ASYNC));
	MUST(fcntl(p[1], F_SETOWN, getpid()));
	MUST(fcntl(p[1], F_SETFL, O_ASYNC));
	SHOW(write(p[1], "a", 1));
	told("write");
	SHOW(read(p[0], &byte, 1));
	told("read");
	MUST(fcntl(p[1], F_SETFL, 0));
	SHOW(write(p[1], "a", 1));
	told("write");
	SHOW(read(p[0], &byte, 1));
	told("read");
	close(p[1]);
	told("closed");
	close(p[0]);
}

int main(void) {
	sigset_t set;
	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	pipes();
	broken();
	fifo();
	plain();
	return 0;
}

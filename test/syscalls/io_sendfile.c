// sendfile(2): file to pipe, socket and file; offsets; ends; errors.
#include "check.h"
#include <sys/eventfd.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

// What reads or writes one thing at a time takes no bytes of sendfile; at the end of the source nobody asks.
static void into(const char *name, int fd, int f) {
	off_t at = 0;
	say("into %s: %s", name, sendfile(fd, f, &at, 8) < 0 ? ename(errno) : "ok");
	at = 1000;
	say(", of nothing: %s\n", sendfile(fd, f, &at, 8) < 0 ? ename(errno) : "ok");
}

static void from(const char *name, int fd) {
	int g = open("from", O_RDWR | O_CREAT, 0644), ends[2];
	MUST(pipe2(ends, O_NONBLOCK));
	say("from %s: %s", name, sendfile(g, fd, NULL, 8) < 0 ? ename(errno) : "ok");
	say(", splice: %s\n", splice(fd, NULL, ends[1], NULL, 8, SPLICE_F_NONBLOCK) < 0 ? ename(errno) : "ok");
	close(g);
	close(ends[0]);
	close(ends[1]);
}

static void flags(const char *name, int fd) {
	static const int all[] = {RWF_HIPRI, RWF_DSYNC, RWF_NOWAIT};
	char text[8] = {1};
	struct iovec v = {text, 8};
	say("%s:", name);
	for (unsigned i = 0; i < COUNT(all); i++) {
		v.iov_len = 8;
		ssize_t n = preadv2(fd, &v, 1, -1, all[i]);
		say(" read %s", n < 0 ? ename(errno) : "ok");
		n = pwritev2(fd, &v, 1, -1, all[i]);
		say(" write %s", n < 0 ? ename(errno) : "ok");
	}
	say("\n");
}

int main(void) {
	char text[64] = {0};
	put("f", "0123456789abcdef");
	int f = open("f", O_RDONLY), fds[2], pair[2];
	MUST(pipe(fds));
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	SHOW(sendfile(fds[1], f, NULL, 5));
	SHOW(lseek(f, 0, SEEK_CUR));
	off_t at = 10;
	SHOW(sendfile(fds[1], f, &at, 100));
	say("offset %ld, file's own %ld\n", (long)at, (long)lseek(f, 0, SEEK_CUR));
	SHOW(read(fds[0], text, 60));
	say("%s\n", text);
	SHOW(sendfile(fds[1], f, &at, 100));
	at = 1000;
	SHOW(sendfile(fds[1], f, &at, 100));
	at = -1;
	SHOW(sendfile(fds[1], f, &at, 100));
	at = 0;
	memset(text, 0, sizeof text);
	SHOW(sendfile(pair[0], f, &at, 16));
	SHOW(read(pair[1], text, 60));
	say("%s\n", text);
	int g = open("g", O_RDWR | O_CREAT, 0644);
	at = 4;
	SHOW(sendfile(g, f, &at, 4));
	SHOW(sendfile(g, f, &at, 4));
	say("%s\n", cat("g"));
	SHOW(sendfile(g, f, NULL, 0));
	SHOW(sendfile(99, f, NULL, 5));
	SHOW(sendfile(g, 99, NULL, 5));
	SHOW(sendfile(g, open("g", O_WRONLY), NULL, 5));
	SHOW(sendfile(f, g, NULL, 5));
	SHOW(sendfile(g, f, WILD, 5));
	SHOW(sendfile(open("g", O_WRONLY | O_APPEND), f, NULL, 5));
	SHOW(sendfile(g, pair[0], NULL, 5));
	SHOW(sendfile(g, open(".", O_RDONLY), NULL, 5));
	sigset_t none;
	sigemptyset(&none);
	into("eventfd", eventfd(0, EFD_NONBLOCK), f);
	into("timerfd", timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), f);
	into("signalfd", signalfd(-1, &none, SFD_NONBLOCK), f);
	into("/dev/null", open("/dev/null", O_RDWR), f);
	into("/dev/full", open("/dev/full", O_RDWR), f);
	into("/dev/zero", open("/dev/zero", O_RDWR), f);
	into("name of a thread", open("/proc/self/comm", O_RDWR), f);
	from("name of a thread", open("/proc/self/comm", O_RDWR));
	from("/proc/self/maps", open("/proc/self/maps", O_RDONLY));
	from("/proc/self/mounts", open("/proc/self/mounts", O_RDONLY));
	from("/proc/self/fdinfo/0", open("/proc/self/fdinfo/0", O_RDONLY));
	from("/proc/self/mem", open("/proc/self/mem", O_RDWR));
	from("/proc/sys/kernel/ostype", open("/proc/sys/kernel/ostype", O_RDONLY));
	from("/dev/zero", open("/dev/zero", O_RDWR));
	from("eventfd", eventfd(1, EFD_NONBLOCK));
	// Flags of preadv2 and pwritev2; not waiting is for those that never do or know how to say it.
	int memory = memfd_create("m", 0);
	MUST(write(memory, "0123456789abcdef", 16));
	MUST(lseek(memory, 0, SEEK_SET));
	flags("memory file", memory);
	flags("eventfd", eventfd(1, EFD_NONBLOCK));
	flags("/dev/null", open("/dev/null", O_RDWR));
	flags("/dev/full", open("/dev/full", O_RDWR));
	flags("name of a thread", open("/proc/self/comm", O_RDONLY));
	// A full nonblocking pipe: what fits, then EAGAIN.
	int big = open("big", O_RDWR | O_CREAT, 0644);
	MUST(ftruncate(big, 1 << 20));
	MUST(fcntl(fds[1], F_SETFL, O_NONBLOCK));
	at = 0;
	ssize_t n = sendfile(fds[1], big, &at, 1 << 20);
	YES("what fits", n == 65536);
	SHOW(sendfile(fds[1], big, &at, 100));
	// A megabyte through a socket with a reader.
	pid_t pid = fork();
	if (pid == 0) {
		static char block[8192];
		long total = 0;
		close(pair[0]);
		while ((n = read(pair[1], block, sizeof block)) > 0) total += n;
		_exit(total == 1 << 20 ? 0 : 1);
	}
	close(pair[1]);
	at = 0;
	while (at < 1 << 20) {
		if (sendfile(pair[0], big, &at, 1 << 20) <= 0) die("sendfile");
	}
	close(pair[0]);
	say("megabyte: %s\n", wname(reap(pid)));
	return 0;
}

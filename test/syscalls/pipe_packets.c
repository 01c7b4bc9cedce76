// Pipes of packets (O_DIRECT): what write(2) makes one of, and what splice, tee, vmsplice and sendfile do with them.
#include "check.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/sendfile.h>
#include <sys/time.h>
#include <sys/uio.h>

static char page[8192] __attribute__((aligned(4096)));

static void drain(const char *label, int fd) {
	char buffer[8192];
	say("%s:", label);
	for (;;) {
		long n = read(fd, buffer, sizeof buffer);
		if (n <= 0) {
			say(" %s\n", n == 0 ? "end" : strerrorname_np(errno));
			return;
		}
		say(" %ld", n);
	}
}

static void splice_vector_with(const char *label, int fd, size_t length, unsigned flags) {
	struct iovec part = {page, length};
	long n = vmsplice(fd, &part, 1, flags);
	if (n < 0) say("%s: %s\n", label, strerrorname_np(errno));
	else say("%s: %ld\n", label, n);
}
static void splice_vector(const char *label, int fd, size_t length) { splice_vector_with(label, fd, length, SPLICE_F_NONBLOCK); }

static void on_alarm(int signal) { (void)signal; }

int main(void) {
	int fds[2], other[2];
	MUST(pipe2(fds, O_DIRECT | O_NONBLOCK));
	MUST(pipe2(other, O_NONBLOCK));
	memset(page, 'x', sizeof page);
	splice_vector("vmsplice", fds[1], 10);
	splice_vector("vmsplice", fds[1], 20);
	drain("vmsplice makes no packets", fds[0]);

	splice_vector("vmsplice", fds[1], 10);
	MUST(write(fds[1], page, 20));
	MUST(write(fds[1], page, 30));
	drain("a packet ends a read, plain bytes before it do not", fds[0]);

	MUST(write(fds[1], page, 20));
	MUST(write(fds[1], page, 30));
	splice_vector("vmsplice", fds[1], 10);
	say("tee: %ld\n", (long)tee(fds[0], other[1], 45, 0));
	drain("packets stay packets in a copy", other[0]);
	say("splice: %ld\n", (long)splice(fds[0], NULL, other[1], NULL, 25, 0));
	drain("in another pipe", other[0]);
	drain("the rest", fds[0]);

	MUST(write(other[1], page, 20));
	MUST(write(other[1], page, 30));
	say("splice: %ld\n", (long)splice(other[0], NULL, fds[1], NULL, 50, 0));
	drain("plain bytes in a pipe of packets", fds[0]);

	int file = memfd_create("data", 0);
	MUST(write(file, page, 100));
	MUST(lseek(file, 0, SEEK_SET));
	say("splice: %ld\n", (long)splice(file, NULL, fds[1], NULL, 30, 0));
	say("sendfile: %ld\n", (long)sendfile(fds[1], file, NULL, 40));
	drain("from a file", fds[0]);

	MUST(write(fds[1], page, 20));
	MUST(write(fds[1], page, 30));
	splice_vector("vmsplice from packets", fds[0], 45);
	drain("the rest", fds[0]);
	splice_vector("vmsplice from nothing", fds[0], 45);
	MUST(write(fds[1], page, 5000));
	drain("long packets", fds[0]);

	// Its own flag says whether it waits, the pipe's does not.
	struct sigaction action = {.sa_handler = on_alarm};
	struct itimerval soon = {{0, 20000}, {0, 50000}}, never = {{0, 0}, {0, 0}};
	MUST(sigaction(SIGALRM, &action, NULL));
	MUST(setitimer(ITIMER_REAL, &soon, NULL));
	splice_vector_with("vmsplice waits for bytes", other[0], 10, 0);
	MUST(setitimer(ITIMER_REAL, &never, NULL));
	while (write(other[1], page, 4096) > 0) continue;
	MUST(setitimer(ITIMER_REAL, &soon, NULL));
	splice_vector_with("vmsplice waits for room", other[1], 10, 0);
	MUST(setitimer(ITIMER_REAL, &never, NULL));
	splice_vector("vmsplice without room", other[1], 10);
	return 0;
}

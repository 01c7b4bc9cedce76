// eventfd: counter and semaphore modes, blocking, nonblocking, overflow, poll, errors.
#include "check.h"
#include <poll.h>
#include <sys/eventfd.h>

static uint64_t value;

static const char *get(int fd) {
	static char text[32];
	if (read(fd, &value, 8) != 8) return ename(errno);
	snprintf(text, sizeof text, "%lu", (unsigned long)value);
	return text;
}

static const char *add(int fd, uint64_t n) { return write(fd, &n, 8) == 8 ? "ok" : ename(errno); }

int main(void) {
	int fd = eventfd(5, EFD_NONBLOCK | EFD_CLOEXEC);
	SHOW(fcntl(fd, F_GETFD));
	say("initial %s\n", get(fd));
	say("empty %s\n", get(fd));
	say("add 3 %s, ", add(fd, 3));
	say("add 4 %s, ", add(fd, 4));
	say("read %s\n", get(fd));
	say("add 0 %s, ", add(fd, 0));
	say("read %s\n", get(fd));
	say("add max-1 %s, ", add(fd, UINT64_MAX - 1));
	say("add 1 %s, ", add(fd, 1));
	struct pollfd p = {fd, POLLIN | POLLOUT, 0};
	SHOW(poll(&p, 1, 0));
	say("revents %x\n", p.revents);
	say("add max %s\n", add(fd, UINT64_MAX));
	say("read %s\n", get(fd));
	SHOW(poll(&p, 1, 0));
	say("revents %x\n", p.revents);
	SHOW(write(fd, &value, 4));
	SHOW(read(fd, &value, 4));
	SHOW(write(fd, WILD, 8));
	say("add 1 %s\n", add(fd, 1));
	SHOW(read(fd, WILD, 8));
	char big[16];
	say("add 1 %s\n", add(fd, 1));
	SHOW(read(fd, big, 16));
	SHOW(lseek(fd, 0, SEEK_SET));
	SHOW(eventfd(0, 0x100));
	int semaphore = eventfd(3, EFD_SEMAPHORE | EFD_NONBLOCK);
	say("semaphore: %s ", get(semaphore));
	say("%s ", get(semaphore));
	say("%s ", get(semaphore));
	say("%s\n", get(semaphore));
	// Blocking, between processes.
	int blocking = eventfd(0, 0);
	pid_t pid = fork();
	if (pid == 0) {
		sleep_ms(30);
		_exit(strcmp(add(blocking, 42), "ok") == 0 ? 0 : 1);
	}
	say("waited for %s\n", get(blocking));
	reap(pid);
	add(blocking, UINT64_MAX - 1);
	pid = fork();
	if (pid == 0) {
		sleep_ms(30);
		_exit(strcmp(get(blocking), "ok") != 0 ? 0 : 1);
	}
	say("writer waited: %s, ", add(blocking, 1));
	say("then %s, %s\n", get(blocking), wname(reap(pid)));
	return 0;
}

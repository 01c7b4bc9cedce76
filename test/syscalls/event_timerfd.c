// timerfd: one-shot and periodic, absolute times, settings read back, nonblocking, poll, errors.
#include "check.h"
#include <poll.h>
#include <sys/timerfd.h>

int main(void) {
	uint64_t count = 0;
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	SHOW(fcntl(fd, F_GETFD));
	SHOW(read(fd, &count, 8));
	struct itimerspec spec = {{0, 0}, {0, 100000000}}, old;
	long before = now_ms();
	SHOW(timerfd_settime(fd, 0, &spec, &old));
	say("old %ld\n", (long)old.it_value.tv_nsec);
	SHOW(timerfd_gettime(fd, &old));
	YES("remaining at most 100 ms", old.it_value.tv_sec == 0 && old.it_value.tv_nsec <= 100000000);
	SHOW(read(fd, &count, 8));
	struct pollfd p = {fd, POLLIN, 0};
	SHOW(poll(&p, 1, 5000));
	YES("not early", now_ms() - before >= 99);
	SHOW(read(fd, &count, 8));
	say("count %lu\n", (unsigned long)count);
	SHOW(timerfd_gettime(fd, &old));
	say("remaining %ld\n", (long)old.it_value.tv_nsec);
	// Periodic: several expirations in one read.
	spec = (struct itimerspec){{0, 10000000}, {0, 10000000}};
	SHOW(timerfd_settime(fd, 0, &spec, NULL));
	sleep_ms(55);
	SHOW(read(fd, &count, 8));
	YES("at least five", count >= 5 && count < 500);
	MUST(fcntl(fd, F_SETFL, 0));
	SHOW(read(fd, &count, 8));
	YES("blocking read waits for one", count >= 1);
	SHOW(timerfd_gettime(fd, &old));
	say("interval %ld\n", old.it_interval.tv_nsec);
	spec = (struct itimerspec){{0, 0}, {0, 0}};
	SHOW(timerfd_settime(fd, 0, &spec, &old));
	say("old interval %ld\n", old.it_interval.tv_nsec);
	MUST(fcntl(fd, F_SETFL, O_NONBLOCK));
	sleep_ms(25);
	SHOW(read(fd, &count, 8));
	// Absolute: a time in the past is over at once.
	clock_gettime(CLOCK_MONOTONIC, &spec.it_value);
	SHOW(timerfd_settime(fd, TFD_TIMER_ABSTIME, &spec, NULL));
	SHOW(poll(&p, 1, 1000));
	SHOW(read(fd, &count, 8));
	say("count %lu\n", (unsigned long)count);
	int real = timerfd_create(CLOCK_REALTIME, 0);
	clock_gettime(CLOCK_REALTIME, &spec.it_value);
	spec.it_value.tv_nsec += 20000000;
	if (spec.it_value.tv_nsec >= 1000000000) {
		spec.it_value.tv_sec++;
		spec.it_value.tv_nsec -= 1000000000;
	}
	SHOW(timerfd_settime(real, TFD_TIMER_ABSTIME, &spec, NULL));
	SHOW(read(real, &count, 8));
	say("count %lu\n", (unsigned long)count);
	// Setting again forgets expirations.
	spec = (struct itimerspec){{0, 0}, {0, 1}};
	SHOW(timerfd_settime(fd, 0, &spec, NULL));
	sleep_ms(5);
	spec.it_value.tv_sec = 100;
	SHOW(timerfd_settime(fd, 0, &spec, NULL));
	SHOW(read(fd, &count, 8));
	SHOW(read(fd, &count, 4));
	SHOW(write(fd, &count, 8));
	spec.it_value.tv_nsec = 1000000000;
	SHOW(timerfd_settime(fd, 0, &spec, NULL));
	spec.it_value = (struct timespec){-1, 0};
	SHOW(timerfd_settime(fd, 0, &spec, NULL));
	spec.it_value = (struct timespec){1, 0};
	SHOW(timerfd_settime(fd, 0x100, &spec, NULL));
	SHOW(timerfd_settime(0, 0, &spec, NULL));
	SHOW(timerfd_settime(99, 0, &spec, NULL));
	SHOW(timerfd_settime(fd, 0, WILD, NULL));
	SHOW(timerfd_gettime(fd, WILD));
	SHOW(timerfd_gettime(99, &old));
	SHOW(timerfd_create(99, 0));
	SHOW(timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0));
	SHOW(timerfd_create(CLOCK_MONOTONIC, 0x100));
	// After fork both have the same timer.
	spec = (struct itimerspec){{0, 0}, {0, 20000000}};
	MUST(timerfd_settime(fd, 0, &spec, NULL));
	pid_t pid = fork();
	if (pid == 0) {
		SHOW(poll(&p, 1, 5000));
		_exit(read(fd, &count, 8) == 8 ? 0 : 1);
	}
	say("child: %s\n", wname(reap(pid)));
	SHOW(read(fd, &count, 8));
	return 0;
}

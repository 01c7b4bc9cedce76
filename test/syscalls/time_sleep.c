// nanosleep, clock_nanosleep, usleep: never early, interruption leaves the rest, absolute times, errors.
#include "check.h"

static void handler(int sig) { (void)sig; }

static long elapsed_us(clockid_t clock, int flags, struct timespec *t, struct timespec *left, int *result) {
	struct timespec a, b;
	clock_gettime(CLOCK_MONOTONIC, &a);
	*result = clock_nanosleep(clock, flags, t, left);
	clock_gettime(CLOCK_MONOTONIC, &b);
	return (b.tv_sec - a.tv_sec) * 1000000L + (b.tv_nsec - a.tv_nsec) / 1000L;
}

int main(void) {
	int result;
	static const long waits[] = {0, 1, 1000, 100000, 5000000, 50000000};
	for (size_t i = 0; i < COUNT(waits); i++) {
		struct timespec t = {0, waits[i]};
		long us = elapsed_us(CLOCK_MONOTONIC, 0, &t, NULL, &result);
		say("%ld ns: %d, not early %s, below 1 s %s\n", waits[i], result, yes(us * 1000 + 999 >= waits[i]), yes(us < 1000000));
	}
	struct timespec t = {0, 20000000};
	long us = elapsed_us(CLOCK_REALTIME, 0, &t, NULL, &result);
	say("realtime: %d %s\n", result, yes(us >= 20000));
	us = elapsed_us(CLOCK_BOOTTIME, 0, &t, NULL, &result);
	say("boottime: %d %s\n", result, yes(us >= 20000));
	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += 30000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	us = elapsed_us(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL, &result);
	say("absolute: %d\n", result);
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	YES("reached", now.tv_sec > t.tv_sec || (now.tv_sec == t.tv_sec && now.tv_nsec >= t.tv_nsec));
	us = elapsed_us(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL, &result);
	say("absolute, past: %d at once %s\n", result, yes(us < 500000));
	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec -= 5;
	us = elapsed_us(CLOCK_REALTIME, TIMER_ABSTIME, &t, NULL, &result);
	say("absolute realtime, past: %d\n", result);
	signal(SIGALRM, handler);
	ticks(30);
	struct timespec left = {-1, -1};
	t = (struct timespec){10, 0};
	us = elapsed_us(CLOCK_MONOTONIC, 0, &t, &left, &result);
	say("interrupted: %s, left between 9 and 10 s: %s\n", ename(result), yes(left.tv_sec == 9));
	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += 10;
	left = (struct timespec){-1, -1};
	us = elapsed_us(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, &left, &result);
	say("absolute interrupted: %s, left untouched %s\n", ename(result), yes(left.tv_sec == -1));
	ticks(0);
	// Stopped and continued: the sleep goes on and is not shortened.
	pid_t pid = fork();
	if (pid == 0) {
		t = (struct timespec){0, 80000000};
		_exit(nanosleep(&t, NULL) == 0 ? 0 : 1);
	}
	sleep_ms(10);
	int status;
	kill(pid, SIGSTOP);
	waitpid(pid, &status, WUNTRACED);
	kill(pid, SIGCONT);
	say("stopped and continued: %s\n", wname(reap(pid)));
	t = (struct timespec){0, 1000000000};
	SHOW(nanosleep(&t, NULL));
	t = (struct timespec){-1, 0};
	SHOW(nanosleep(&t, NULL));
	t = (struct timespec){0, -1};
	SHOW(nanosleep(&t, NULL));
	SHOW(nanosleep(WILD, NULL));
	t = (struct timespec){0, 0};
	SHOW(nanosleep(&t, WILD));
	SHOW(syscall(SYS_clock_nanosleep, 99, 0, &t, NULL));
	SHOW(syscall(SYS_clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, &t, NULL));
	SHOW(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC_COARSE, 0, &t, NULL));
	SHOW(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, WILD, NULL));
	(void)us;
	return 0;
}

// Clocks: they agree, do not go back, tick with the right speed; resolution; CPU clocks stand still while sleeping; errors; setting is refused to users.
#include "check.h"

static long long ns(clockid_t clock) {
	struct timespec t;
	if (clock_gettime(clock, &t) != 0) return -1;
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(void) {
	static const struct {
		clockid_t id;
		const char *name;
	} clocks[] = {{CLOCK_REALTIME, "REALTIME"}, {CLOCK_MONOTONIC, "MONOTONIC"}, {CLOCK_PROCESS_CPUTIME_ID, "PROCESS_CPUTIME"}, {CLOCK_THREAD_CPUTIME_ID, "THREAD_CPUTIME"}, {CLOCK_MONOTONIC_RAW, "MONOTONIC_RAW"}, {CLOCK_REALTIME_COARSE, "REALTIME_COARSE"}, {CLOCK_MONOTONIC_COARSE, "MONOTONIC_COARSE"}, {CLOCK_BOOTTIME, "BOOTTIME"}};
	for (size_t i = 0; i < COUNT(clocks); i++) {
		struct timespec r = {-1, -1};
		int result = clock_getres(clocks[i].id, &r);
		long long last = 0;
		int back = 0;
		for (int k = 0; k < 2000; k++) {
			long long now = ns(clocks[i].id);
			back += now < last;
			last = now;
		}
		say("%s: getres %d sane %s, back %d\n", clocks[i].name, result, yes(r.tv_sec == 0 && r.tv_nsec > 0 && r.tv_nsec <= 10000000), back);
	}
	// The same clocks by system call and by library (vDSO).
	struct timespec t;
	for (int i = 0; i < 2; i++) {
		clockid_t id = i ? CLOCK_MONOTONIC : CLOCK_REALTIME;
		int wrong = 0;
		for (int k = 0; k < 300; k++) {
			long long a = ns(id);
			syscall(SYS_clock_gettime, id, &t);
			long long b = t.tv_sec * 1000000000LL + t.tv_nsec, c = ns(id);
			wrong += !(a <= b && b <= c);
		}
		say("%s out of order: %d\n", i ? "monotonic" : "realtime", wrong);
	}
	long long m = ns(CLOCK_MONOTONIC), r = ns(CLOCK_REALTIME), raw = ns(CLOCK_MONOTONIC_RAW);
	sleep_ms(100);
	long long dm = ns(CLOCK_MONOTONIC) - m, dr = ns(CLOCK_REALTIME) - r, draw = ns(CLOCK_MONOTONIC_RAW) - raw;
	YES("same speed", llabs(dm - dr) < 20000000 && llabs(dm - draw) < 20000000 && dm >= 100000000);
	YES("boottime not below monotonic", ns(CLOCK_BOOTTIME) >= ns(CLOCK_MONOTONIC) - 1000000);
	struct timeval tv;
	gettimeofday(&tv, NULL);
	YES("gettimeofday is CLOCK_REALTIME", llabs(tv.tv_sec * 1000000000LL + tv.tv_usec * 1000LL - ns(CLOCK_REALTIME)) < 500000000);
	YES("time too", labs(time(NULL) - tv.tv_sec) <= 1);
	// CPU time.
	long long p = ns(CLOCK_PROCESS_CPUTIME_ID);
	sleep_ms(60);
	YES("no CPU time while sleeping", ns(CLOCK_PROCESS_CPUTIME_ID) - p < 40000000);
	long long th = ns(CLOCK_THREAD_CPUTIME_ID);
	while (ns(CLOCK_THREAD_CPUTIME_ID) - th < 30000000) {
	}
	YES("process time grew as well", ns(CLOCK_PROCESS_CPUTIME_ID) - p >= 29000000);
	YES("clock() grows", clock() > 0);
	// Another process's CPU clock.
	pid_t pid = fork();
	if (pid == 0) {
		for (;;) pause();
	}
	clockid_t other;
	SHOW(clock_getcpuclockid(pid, &other));
	long long value = ns(other);
	YES("its CPU time is small", value >= 0 && value < 1000000000LL);
	kill(pid, SIGKILL);
	reap(pid);
	SHOW(clock_gettime(other, &t));
	SHOW(clock_gettime(99, &t));
	SHOW(clock_gettime(-1, &t));
	SHOW(clock_getres(99, &t));
	SHOW(clock_getres(CLOCK_MONOTONIC, NULL));
	SHOW(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, WILD));
	SHOW(syscall(SYS_gettimeofday, WILD, NULL));
	SHOW(syscall(SYS_time, WILD));
	SHOW(clock_settime(CLOCK_MONOTONIC, &t));
	pid = fork();
	if (pid == 0) {
		MUST(setresuid(1000, 1000, 1000));
		clock_gettime(CLOCK_REALTIME, &t);
		SHOW(clock_settime(CLOCK_REALTIME, &t));
		_exit(0);
	}
	reap(pid);
	return 0;
}

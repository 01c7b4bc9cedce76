// getrusage and wait4's rusage: busy children show time, idle ones do not; RUSAGE_CHILDREN grows when they are reaped; times(2).
#include "check.h"
#include <sys/times.h>

static void busy(void) {
	struct timespec t;
	do {
		for (volatile int i = 0; i < 100000; i++) {
		}
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	} while (t.tv_sec == 0 && t.tv_nsec < 100000000);
}

static void idle(void) { sleep_ms(60); }

static long micros(struct timeval t) { return t.tv_sec * 1000000L + t.tv_usec; }

int main(void) {
	struct rusage usage, before, after;
	int status;
	pid_t pid = spawn(idle);
	MUST(wait4(pid, &status, 0, &usage));
	YES("idle child below 50 ms", micros(usage.ru_utime) + micros(usage.ru_stime) < 50000);
	MUST(getrusage(RUSAGE_CHILDREN, &before));
	pid = spawn(busy);
	siginfo_t info;
	waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
	MUST(getrusage(RUSAGE_CHILDREN, &after));
	YES("unreaped child not counted", micros(after.ru_utime) + micros(after.ru_stime) - micros(before.ru_utime) - micros(before.ru_stime) < 50000);
	MUST(wait4(pid, &status, 0, &usage));
	YES("busy child at least 80 ms", micros(usage.ru_utime) + micros(usage.ru_stime) >= 80000);
	MUST(getrusage(RUSAGE_CHILDREN, &after));
	YES("reaped child counted", micros(after.ru_utime) + micros(after.ru_stime) - micros(before.ru_utime) - micros(before.ru_stime) >= 80000);
	// Mapped is not resident.
	pid = fork();
	if (pid == 0) {
		volatile char *p = mmap(NULL, 60 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		for (long i = 0; i < 20 << 20; i += PAGE) p[i] = 1;
		_exit(0);
	}
	MUST(wait4(pid, NULL, 0, &usage));
	YES("what was touched counts", usage.ru_maxrss > 20000 && usage.ru_maxrss < 32000);
	// A grandchild counts when the child that reaped it is reaped.
	MUST(getrusage(RUSAGE_CHILDREN, &before));
	pid = fork();
	if (pid == 0) {
		reap(spawn(busy));
		_exit(0);
	}
	reap(pid);
	MUST(getrusage(RUSAGE_CHILDREN, &after));
	YES("grandchild counted", micros(after.ru_utime) + micros(after.ru_stime) - micros(before.ru_utime) - micros(before.ru_stime) >= 80000);
	MUST(getrusage(RUSAGE_SELF, &usage));
	busy();
	MUST(getrusage(RUSAGE_SELF, &after));
	YES("own time grew", micros(after.ru_utime) + micros(after.ru_stime) > micros(usage.ru_utime) + micros(usage.ru_stime));
	MUST(getrusage(RUSAGE_THREAD, &after));
	YES("thread's time", micros(after.ru_utime) + micros(after.ru_stime) > 50000);
	struct tms tms;
	clock_t ticks = times(&tms);
	YES("times", ticks > 0 && tms.tms_utime + tms.tms_stime >= 5 && tms.tms_cutime + tms.tms_cstime >= 15);
	SHOW(getrusage(99, &usage));
	SHOW(syscall(SYS_getrusage, RUSAGE_SELF, WILD));
	SHOW(syscall(SYS_times, WILD));
	return 0;
}

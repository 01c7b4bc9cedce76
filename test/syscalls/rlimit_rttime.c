// RLIMIT_RTTIME: CPU time of a real-time thread between two blocking calls; SIGXCPU, then SIGKILL. RLIMIT_CPU raises itself likewise.
#include "check.h"

static volatile sig_atomic_t ticks_seen;
static void handler(int sig) {
	(void)sig;
	ticks_seen++;
}

static void set(int resource, rlim_t soft, rlim_t hard) {
	struct rlimit limit = {soft, hard};
	MUST(setrlimit(resource, &limit));
}

static long cpu_ms(void) {
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1000L + t.tv_nsec / 1000000L;
}

// Computes until a signal or for so much CPU time.
static void spin(long ms) {
	long end = cpu_ms() + ms;
	int before = ticks_seen;
	while (cpu_ms() < end && ticks_seen == before) {
		for (volatile int i = 0; i < 20000; i++) {
		}
	}
}

static void real_time(void) {
	struct sched_param p = {.sched_priority = 1};
	MUST(sched_setscheduler(0, SCHED_RR, &p));
}

static void warned(void) {
	signal(SIGXCPU, handler);
	set(RLIMIT_RTTIME, 60000, RLIM_INFINITY);
	spin(150);
	YES("not for other policies", ticks_seen == 0);
	real_time();
	for (int i = 0; i < 5; i++) {
		spin(30);
		sleep_ms(1);
	}
	YES("not while it blocks now and then", ticks_seen == 0);
	spin(500);
	YES("warned", ticks_seen == 1);
	struct rlimit limit;
	MUST(getrlimit(RLIMIT_RTTIME, &limit));
	say("soft limit %ld\n", (long)limit.rlim_cur);
}

static void killed(void) {
	signal(SIGXCPU, handler);
	set(RLIMIT_RTTIME, 40000, 120000);
	real_time();
	spin(500);
	YES("warned", ticks_seen == 1);
	spin(1000);
	say("still there\n");
}

static void by_default(void) {
	set(RLIMIT_RTTIME, 40000, RLIM_INFINITY);
	real_time();
	spin(500);
	say("still there\n");
}

static void cpu_limit(void) {
	signal(SIGXCPU, handler);
	set(RLIMIT_CPU, 1, 20);
	spin(1500);
	YES("warned", ticks_seen == 1);
	struct rlimit limit;
	MUST(getrlimit(RLIMIT_CPU, &limit));
	say("soft limit %ld\n", (long)limit.rlim_cur);
}

int main(void) {
	child("warned", warned);
	child("killed", killed);
	child("by default", by_default);
	child("RLIMIT_CPU", cpu_limit);
	return 0;
}

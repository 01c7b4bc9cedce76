// CPU time is time on a CPU: a thread that waits for one (because others are busy) gets none, a sleeper has none. Threads and
// processes by clock, getrusage, times, /proc/PID/stat and schedstat; CPU timers count the same.
// flags: -pthread
#include "check.h"
#include <pthread.h>
#include <sys/times.h>

static long long ns(clockid_t c) {
	struct timespec t;
	MUST(clock_gettime(c, &t));
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static volatile int stop;

static void *compute(void *result) {
	while (!stop)
		for (volatile int i = 0; i < 10000; i++) {
		}
	if (result != NULL) *(long long *)result = ns(CLOCK_THREAD_CPUTIME_ID);
	return NULL;
}

static long micros(struct timeval t) { return t.tv_sec * 1000000L + t.tv_usec; }

static void spin(void) { compute(NULL); }

// utime and stime of a process, in ticks.
static long stat_ticks(const char *path) {
	unsigned long user = 0, system = 0;
	const char *text = strrchr(cat(path), ')');
	if (text == NULL || sscanf(text, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2) return -1;
	return (long)(user + system);
}

static volatile int virtual_ticks;
static void on_virtual(int sig) {
	(void)sig;
	virtual_ticks++;
}

int main(void) {
	// All CPUs, and two more: what follows has to share.
	cpu_set_t cpus;
	MUST(sched_getaffinity(0, sizeof cpus, &cpus));
	int count = CPU_COUNT(&cpus);
	pid_t load[66];
	if (count > 64) count = 64;
	for (int i = 0; i < count; i++) load[i] = spawn(spin);
	long long wall = ns(CLOCK_MONOTONIC), own = ns(CLOCK_PROCESS_CPUTIME_ID);
	pthread_t threads[2];
	long long each[2] = {0, 0};
	for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, compute, &each[i]);
	sleep_ms(300);
	stop = 1;
	for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
	wall = ns(CLOCK_MONOTONIC) - wall;
	own = ns(CLOCK_PROCESS_CPUTIME_ID) - own;
	// Two threads and as many others as there are CPUs: no more than all CPUs can give, and about a fair part of it.
	long long all = wall * count;
	YES("not more than there was", own <= all);
	YES("not what the others had", own < all * 9 / 10);
	YES("a part of it", own > 1000000);
	YES("threads together are the process", each[0] + each[1] <= own && each[0] + each[1] > own / 4);
	YES("no thread has none", each[0] > 0 && each[1] > 0);
	struct rusage usage;
	MUST(getrusage(RUSAGE_SELF, &usage));
	long total = micros(usage.ru_utime) + micros(usage.ru_stime);
	YES("getrusage says the same", total * 1000LL >= own && total * 1000LL < own + 100000000LL);
	long ticks = stat_ticks("/proc/self/stat");
	YES("so does /proc", ticks >= total / 10000 - 1 && ticks < total / 10000 + 10);
	struct tms tms;
	MUST(times(&tms));
	YES("so does times", tms.tms_utime + tms.tms_stime >= total / 10000 - 1 && tms.tms_utime + tms.tms_stime < total / 10000 + 10);
	unsigned long long run = 0;
	sscanf(cat("/proc/self/schedstat"), "%llu", &run);
	YES("schedstat counts", run > 0);

	// The load's own figures add up to what there was at most.
	long long others = 0;
	for (int i = 0; i < count; i++) kill(load[i], SIGKILL);
	for (int i = 0; i < count; i++) {
		MUST(wait4(load[i], NULL, 0, &usage));
		others += (micros(usage.ru_utime) + micros(usage.ru_stime)) * 1000LL;
	}
	YES("all together had no more than there was", others + own <= all * 12 / 10);
	YES("the others had something", others > 1000000);

	// A sleeper.
	long long before = ns(CLOCK_PROCESS_CPUTIME_ID);
	sleep_ms(200);
	YES("a sleeper has none", ns(CLOCK_PROCESS_CPUTIME_ID) - before < 10000000LL);
	pid_t pid = fork();
	if (pid == 0) {
		sleep_ms(150);
		_exit(0);
	}
	MUST(wait4(pid, NULL, 0, &usage));
	YES("nor has a sleeping child", micros(usage.ru_utime) + micros(usage.ru_stime) < 30000);

	// Timers of CPU time do not tick while sleeping, and do while computing.
	signal(SIGVTALRM, on_virtual);
	struct itimerval it = {{0, 10000}, {0, 10000}};
	MUST(setitimer(ITIMER_VIRTUAL, &it, NULL));
	sleep_ms(100);
	YES("no virtual tick while sleeping", virtual_ticks <= 1);
	before = ns(CLOCK_PROCESS_CPUTIME_ID);
	while (ns(CLOCK_PROCESS_CPUTIME_ID) - before < 200000000LL)
		for (volatile int i = 0; i < 10000000; i++) {
		}
	YES("virtual ticks while computing", virtual_ticks >= 1);
	// Asking all the time, with little computing between the questions, takes none of them away.
	virtual_ticks = 0;
	for (long start = now_ms(); virtual_ticks < 2 && now_ms() - start < 20000;) {
		for (volatile int i = 0; i < 2000; i++) {
		}
		getitimer(ITIMER_VIRTUAL, &it);
	}
	YES("virtual ticks for one who asks", virtual_ticks >= 2);
	return 0;
}

// setitimer, getitimer, alarm: one-shot and periodic, remaining time, three kinds, replacement, errors.
#include "check.h"

static volatile sig_atomic_t alarms, virtuals, profs;
static void handler(int sig) {
	if (sig == SIGALRM) alarms++;
	if (sig == SIGVTALRM) virtuals++;
	if (sig == SIGPROF) profs++;
}

static void burn(long ms) {
	struct timespec a, b;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	do {
		for (volatile int i = 0; i < 100000; i++) {
		}
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	} while ((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000 < ms);
}

int main(void) {
	signal(SIGALRM, handler);
	signal(SIGVTALRM, handler);
	signal(SIGPROF, handler);
	struct itimerval once = {{0, 0}, {0, 20000}}, every = {{0, 10000}, {0, 10000}}, off = {{0, 0}, {0, 0}}, old;
	long before = now_ms();
	SHOW(setitimer(ITIMER_REAL, &once, &old));
	say("old %ld %ld\n", (long)old.it_value.tv_sec, (long)old.it_value.tv_usec);
	while (alarms == 0) pause();
	YES("not early", now_ms() - before >= 19);
	SHOW(getitimer(ITIMER_REAL, &old));
	say("over: %ld %ld\n", (long)old.it_value.tv_sec, (long)old.it_value.tv_usec);
	sleep_ms(40);
	say("once: %d\n", alarms);
	alarms = 0;
	SHOW(setitimer(ITIMER_REAL, &every, NULL));
	while (alarms < 5) pause();
	SHOW(getitimer(ITIMER_REAL, &old));
	say("interval %ld, remaining at most that: %s\n", (long)old.it_interval.tv_usec, yes(old.it_value.tv_sec == 0 && old.it_value.tv_usec <= 10000 && old.it_value.tv_usec > 0));
	SHOW(setitimer(ITIMER_REAL, &off, &old));
	int seen = alarms;
	sleep_ms(30);
	YES("stopped", alarms == seen);
	// alarm is the same timer.
	SHOW(alarm(100));
	SHOW(alarm(50));
	SHOW(getitimer(ITIMER_REAL, &old));
	YES("seen by getitimer", old.it_value.tv_sec == 49 || old.it_value.tv_sec == 50);
	struct itimerval long_one = {{0, 0}, {7, 500000}};
	SHOW(setitimer(ITIMER_REAL, &long_one, NULL));
	SHOW(alarm(0));
	SHOW(alarm(0));
	// CPU timers run with the CPU only.
	SHOW(setitimer(ITIMER_VIRTUAL, &every, NULL));
	SHOW(setitimer(ITIMER_PROF, &every, NULL));
	sleep_ms(60);
	YES("almost none while sleeping", virtuals <= 1 && profs <= 1);
	burn(100);
	YES("virtual ran", virtuals >= 3);
	YES("prof ran", profs >= 3);
	SHOW(setitimer(ITIMER_VIRTUAL, &off, NULL));
	SHOW(setitimer(ITIMER_PROF, &off, NULL));
	SHOW(setitimer(99, &off, NULL));
	SHOW(getitimer(99, &old));
	SHOW(syscall(SYS_setitimer, ITIMER_REAL, WILD, NULL));
	SHOW(syscall(SYS_getitimer, ITIMER_REAL, WILD));
	struct itimerval bad = {{0, 0}, {0, 1000000}};
	SHOW(setitimer(ITIMER_REAL, &bad, NULL));
	bad.it_value = (struct timeval){-1, 0};
	SHOW(setitimer(ITIMER_REAL, &bad, NULL));
	// The default action of SIGALRM ends the process.
	pid_t pid = fork();
	if (pid == 0) {
		signal(SIGALRM, SIG_DFL);
		setitimer(ITIMER_REAL, &once, NULL);
		for (;;) pause();
	}
	say("default: %s\n", wname(reap(pid)));
	return 0;
}

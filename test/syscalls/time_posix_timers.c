// timer_create and its family: signals with values, overruns, absolute times, deletion, threads, SIGEV_NONE, errors.
#include "check.h"

static volatile sig_atomic_t count, last_value, last_code, overrun;
static volatile pid_t handler_tid;
static void handler(int sig, siginfo_t *info, void *context) {
	(void)sig;
	(void)context;
	count++;
	last_value = info->si_value.sival_int;
	last_code = info->si_code;
	overrun = info->si_overrun;
	handler_tid = gettid();
}

int main(void) {
	struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGALRM, &action, NULL);
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 99};
	timer_t a, b, c;
	SHOW(timer_create(CLOCK_MONOTONIC, &event, &a));
	struct itimerspec spec = {{0, 0}, {0, 80000000}}, old;
	long before = now_ms();
	SHOW(timer_settime(a, 0, &spec, &old));
	SHOW(timer_gettime(a, &old));
	YES("remaining", old.it_value.tv_nsec > 0 && old.it_value.tv_nsec <= 80000000);
	while (count == 0) pause();
	YES("not early", now_ms() - before >= 79);
	say("value %d code SI_TIMER %s\n", last_value, yes(last_code == SI_TIMER));
	SHOW(timer_gettime(a, &old));
	say("disarmed: %ld\n", old.it_value.tv_nsec);
	// Periodic while blocked: one signal, and the rest as overruns.
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	spec = (struct itimerspec){{0, 5000000}, {0, 5000000}};
	SHOW(timer_settime(a, 0, &spec, NULL));
	sleep_ms(60);
	count = 0;
	sigset_t none;
	sigemptyset(&none);
	spec = (struct itimerspec){{0, 0}, {0, 0}};
	sigprocmask(SIG_SETMASK, &none, NULL);
	YES("came", count >= 1);
	YES("overruns", overrun >= 5 || count > 1);
	SHOW(timer_settime(a, 0, &spec, NULL));
	SHOW(timer_getoverrun(a) >= 0);
	// Absolute.
	clock_gettime(CLOCK_REALTIME, &spec.it_value);
	spec.it_value.tv_sec -= 1;
	SHOW(timer_create(CLOCK_REALTIME, NULL, &b));
	count = 0;
	SHOW(timer_settime(b, TIMER_ABSTIME, &spec, NULL));
	for (int i = 0; i < 2000 && count == 0; i++) sleep_ms(1);
	say("past, default event is SIGALRM: %d\n", count);
	// To a thread.
	event.sigev_notify = SIGEV_THREAD_ID;
	event._sigev_un._tid = gettid();
	SHOW(timer_create(CLOCK_MONOTONIC, &event, &c));
	spec = (struct itimerspec){{0, 0}, {0, 1000000}};
	count = 0;
	SHOW(timer_settime(c, 0, &spec, NULL));
	for (int i = 0; i < 2000 && count == 0; i++) sleep_ms(1);
	say("to this thread: %d %s\n", count, yes(handler_tid == gettid()));
	event._sigev_un._tid = 4194303;
	SHOW(timer_create(CLOCK_MONOTONIC, &event, &c) == -1 ? -1 : 0);
	event.sigev_notify = SIGEV_NONE;
	SHOW(timer_create(CLOCK_MONOTONIC, &event, &c));
	SHOW(timer_settime(c, 0, &spec, NULL));
	sleep_ms(5);
	SHOW(timer_gettime(c, &old));
	say("none: %ld\n", old.it_value.tv_nsec);
	SHOW(timer_delete(c));
	SHOW(timer_delete(c));
	SHOW(timer_settime(c, 0, &spec, NULL));
	SHOW(timer_gettime(c, &old));
	SHOW(timer_getoverrun(c));
	// CPU clock.
	event = (struct sigevent){.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	SHOW(timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &c));
	spec = (struct itimerspec){{0, 0}, {0, 20000000}};
	count = 0;
	SHOW(timer_settime(c, 0, &spec, NULL));
	for (volatile long i = 0; count == 0; i++) {
	}
	say("CPU clock: %d\n", count);
	spec.it_value.tv_nsec = 1000000000;
	SHOW(timer_settime(a, 0, &spec, NULL));
	spec.it_value = (struct timespec){-1, 0};
	SHOW(timer_settime(a, 0, &spec, NULL));
	SHOW(syscall(SYS_timer_settime, 0, 0, NULL, NULL));
	SHOW(syscall(SYS_timer_create, 99, NULL, &c));
	SHOW(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, WILD));
	SHOW(syscall(SYS_timer_create, CLOCK_MONOTONIC, WILD, &c));
	event.sigev_signo = 65;
	SHOW(timer_create(CLOCK_MONOTONIC, &event, &c));
	event.sigev_notify = 77;
	SHOW(timer_create(CLOCK_MONOTONIC, &event, &c));
	// Not inherited, gone with execve (not shown here).
	pid_t pid = fork();
	if (pid == 0) _exit(timer_gettime(a, &old) < 0 && errno == EINVAL ? 0 : 1);
	say("child has none: %s\n", wname(reap(pid)));
	return 0;
}

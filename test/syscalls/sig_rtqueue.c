// Real-time signals queue, lowest number first and in order of sending; standard signals do not queue; RLIMIT_SIGPENDING.
#include "check.h"

static volatile int values[64], signals[64], count;

static void handler(int sig, siginfo_t *info, void *context) {
	(void)context;
	if (count < 64) {
		signals[count] = sig;
		values[count++] = info->si_value.sival_int;
	}
}

static void send_value(int sig, int number) {
	union sigval value = {.sival_int = number};
	if (sigqueue(getpid(), sig, value) != 0) say("sigqueue %s %d: %s\n", sname(sig), number, ename(errno));
}

static void show(const char *label) {
	say("%s:", label);
	for (int i = 0; i < count; i++) say(" %s=%d", sname(signals[i]), values[i]);
	say("\n");
	count = 0;
}

int main(void) {
	struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
	sigfillset(&action.sa_mask);
	for (int sig = SIGRTMIN; sig <= SIGRTMAX; sig++) sigaction(sig, &action, NULL);
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGUSR2, &action, NULL);
	sigset_t all, old;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	for (int i = 0; i < 3; i++) send_value(SIGRTMIN + 2, 20 + i);
	for (int i = 0; i < 3; i++) send_value(SIGRTMIN + 1, 10 + i);
	send_value(SIGRTMAX, 99);
	for (int i = 0; i < 3; i++) send_value(SIGUSR2, i);
	for (int i = 0; i < 3; i++) send_value(SIGUSR1, i);
	kill(getpid(), SIGRTMIN + 1);
	sigprocmask(SIG_SETMASK, &old, NULL);
	show("order");
	// Thread-directed ones are taken before process-directed ones.
	sigprocmask(SIG_SETMASK, &all, NULL);
	send_value(SIGRTMIN + 5, 1);
	siginfo_t info;
	memset(&info, 0, sizeof info);
	info.si_code = SI_QUEUE;
	info.si_value.sival_int = 2;
	syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGRTMIN + 5, &info);
	send_value(SIGRTMIN + 5, 3);
	sigprocmask(SIG_SETMASK, &old, NULL);
	show("own queue first");
	// A limit on queued signals: EAGAIN for the ones too many, kill still gets through (without its information).
	struct rlimit limit = {5, 5};
	pid_t pid = fork();
	if (pid == 0) {
		MUST(setresuid(54321, 54321, 54321));  // an account nobody else queues signals for
		MUST(setrlimit(RLIMIT_SIGPENDING, &limit));
		sigprocmask(SIG_SETMASK, &all, NULL);
		int sent = 0;
		union sigval value = {.sival_int = 7};
		while (sent < 100 && sigqueue(getpid(), SIGRTMIN, value) == 0) sent++;
		say("queued %d, then %s\n", sent, ename(errno));
		SHOW(kill(getpid(), SIGUSR1));
		SHOW(kill(getpid(), SIGRTMIN + 3));
		sigprocmask(SIG_SETMASK, &old, NULL);
		say("delivered %d\n", count);
		_exit(0);
	}
	reap(pid);
	// Many: all arrive, in order.
	sigprocmask(SIG_SETMASK, &all, NULL);
	for (int i = 0; i < 60; i++) send_value(SIGRTMIN + 7, i);
	sigprocmask(SIG_SETMASK, &old, NULL);
	int in_order = 1;
	for (int i = 0; i < count; i++) in_order &= values[i] == i;
	say("60 sent: %d arrived, in order %s\n", count, yes(in_order));
	return 0;
}

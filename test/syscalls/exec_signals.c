// Signals across execve: handlers go back to default, ignored stays ignored, the mask, pending signals and timers stay, the alternate stack goes.
#include "check.h"

static void handler(int sig) { (void)sig; }

static const char *disposition(int sig) {
	struct sigaction action;
	sigaction(sig, NULL, &action);
	return action.sa_handler == SIG_DFL ? "default" : action.sa_handler == SIG_IGN ? "ignored" : "handler";
}

static void look(void) {
	int list[] = {SIGUSR1, SIGUSR2, SIGHUP, SIGCHLD, SIGTERM, SIGRTMIN + 1, SIGPIPE};
	for (size_t i = 0; i < COUNT(list); i++) say("  %s %s\n", sname(list[i]), disposition(list[i]));
	sigset_t mask, pending;
	sigprocmask(SIG_SETMASK, NULL, &mask);
	sigpending(&pending);
	for (int sig = 1; sig <= SIGRTMAX; sig++) {
		if (sigismember(&mask, sig) == 1) say("  %s blocked\n", sname(sig));
		if (sigismember(&pending, sig) == 1) say("  %s pending\n", sname(sig));
	}
	stack_t stack;
	sigaltstack(NULL, &stack);
	YES("  alternate stack disabled", stack.ss_flags & SS_DISABLE);
	struct itimerval timer;
	getitimer(ITIMER_REAL, &timer);
	YES("  interval timer runs", timer.it_value.tv_sec > 0);
}

int main(int argc, char **argv) {
	(void)argc;
	if (getenv("CHECK_KEEP") != NULL) {
		say("after\n");
		look();
		sigset_t set;
		sigemptyset(&set);
		sigaddset(&set, SIGRTMIN + 2);
		siginfo_t info;
		struct timespec none = {0, 0};
		while (sigtimedwait(&set, &info, &none) > 0) say("  queued value %d code %s\n", info.si_value.sival_int, info.si_code == SI_QUEUE ? "SI_QUEUE" : "?");
		return 0;
	}
	signal(SIGUSR1, handler);
	signal(SIGUSR2, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGRTMIN + 1, handler);
	signal(SIGPIPE, SIG_IGN);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGRTMIN + 2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGTERM);
	for (int i = 1; i <= 3; i++) {
		union sigval value = {.sival_int = i * 11};
		sigqueue(getpid(), SIGRTMIN + 2, value);
	}
	static char stack_memory[1 << 16];
	stack_t stack = {.ss_sp = stack_memory, .ss_size = sizeof stack_memory};
	sigaltstack(&stack, NULL);
	struct itimerval timer = {{0, 0}, {100, 0}};
	setitimer(ITIMER_REAL, &timer, NULL);
	say("before\n");
	look();
	setenv("CHECK_KEEP", "1", 1);
	execve("/proc/self/exe", argv, environ);
	die("execve");
}

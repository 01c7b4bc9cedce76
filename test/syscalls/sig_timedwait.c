// sigwaitinfo, sigtimedwait: pending ones at once, later ones by waiting, timeouts, interruption, order, errors.
#include "check.h"

static volatile sig_atomic_t ran;
static void handler(int sig) {
	(void)sig;
	ran++;
}

int main(void) {
	sigset_t set, old;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, &old);
	signal(SIGUSR1, handler);
	struct timespec none = {0, 0}, soon = {0, 30000000}, late = {5, 0};
	siginfo_t info;
	SHOW(sigtimedwait(&set, &info, &none));
	long before = now_ms();
	SHOW(sigtimedwait(&set, &info, &soon));
	YES("waited 30 ms", now_ms() - before >= 29);
	raise(SIGUSR2);
	raise(SIGUSR1);
	SHOW(sigtimedwait(&set, &info, &none) == SIGUSR1);
	SHOW(sigwaitinfo(&set, &info) == SIGUSR2);
	say("signo %s code %s\n", sname(info.si_signo), info.si_code == SI_USER ? "SI_USER" : "?");
	SHOW(sigtimedwait(&set, NULL, &none));
	say("handler ran: %d\n", ran);
	// Sent by a child while waiting.
	pid_t parent = getpid(), pid = fork();
	if (pid == 0) {
		sleep_ms(20);
		union sigval value = {.sival_int = 55};
		sigqueue(parent, SIGRTMIN, value);
		_exit(0);
	}
	SHOW(sigtimedwait(&set, &info, &late) == SIGRTMIN);
	say("value %d from the child: %s\n", info.si_value.sival_int, yes(info.si_pid == pid));
	reap(pid);
	// A signal that is not waited for and has a handler interrupts.
	signal(SIGALRM, handler);
	ticks(15);
	SHOW(sigtimedwait(&set, &info, &late));
	ticks(0);
	// A blocked one whose default is to be ignored can be waited for: SIGCHLD.
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigtimedwait(&set, &info, &none);
	pid = fork();
	if (pid == 0) _exit(6);
	SHOW(sigwaitinfo(&set, &info) == SIGCHLD);
	say("child: code %d status %d\n", info.si_code == CLD_EXITED, info.si_status);
	reap(pid);
	int sig = 0;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	raise(SIGUSR1);
	SHOW(sigwait(&set, &sig));
	say("sigwait: %s\n", sname(sig));
	struct timespec bad = {0, 1000000000}, negative = {-1, 0};
	SHOW(sigtimedwait(&set, &info, &bad));
	SHOW(sigtimedwait(&set, &info, &negative));
	SHOW(syscall(SYS_rt_sigtimedwait, &set, &info, &none, 4));
	SHOW(syscall(SYS_rt_sigtimedwait, WILD, &info, &none, 8));
	SHOW(syscall(SYS_rt_sigtimedwait, &set, &info, WILD, 8));
	raise(SIGUSR1);
	SHOW(syscall(SYS_rt_sigtimedwait, &set, WILD, &none, 8));
	SHOW(syscall(SYS_rt_sigtimedwait, &set, &info, &none, 8));
	return 0;
}

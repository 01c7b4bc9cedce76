// sigprocmask, sigpending, sigsuspend, pause: blocking, order of delivery, what a mask cannot hold, errors.
#include "check.h"

static volatile int order[16], count;

static void note(int sig) {
	if (count < 16) order[count++] = sig;
}

static void show_order(const char *label) {
	say("%s:", label);
	for (int i = 0; i < count; i++) {
		if (i == 0 || order[i] != order[i - 1] || order[i] != SIGALRM) say(" %s", sname(order[i]));
	}
	say("\n");
	count = 0;
}

int main(void) {
	for (int sig = 1; sig < 65; sig++) {
		if (sig != SIGKILL && sig != SIGSTOP && sig != 32 && sig != 33) signal(sig, note);
	}
	sigset_t all, old, set, pending;
	sigfillset(&all);
	SHOW(sigprocmask(SIG_SETMASK, &all, &old));
	sigprocmask(SIG_SETMASK, NULL, &set);
	say("in the mask: KILL %d STOP %d TERM %d SEGV %d RTMAX %d\n", sigismember(&set, SIGKILL), sigismember(&set, SIGSTOP), sigismember(&set, SIGTERM), sigismember(&set, SIGSEGV), sigismember(&set, SIGRTMAX));
	raise(SIGUSR2);
	raise(SIGTERM);
	raise(SIGHUP);
	raise(SIGUSR2);
	raise(SIGHUP);
	sigpending(&pending);
	say("pending:");
	for (int sig = 1; sig < 32; sig++) {
		if (sigismember(&pending, sig) == 1) say(" %s", sname(sig));
	}
	say("\n");
	// A signal that was pending twice is delivered once.
	sigprocmask(SIG_SETMASK, &old, NULL);
	int seen_hup = 0, seen_term = 0, seen_usr2 = 0;
	for (int i = 0; i < count; i++) {
		seen_hup += order[i] == SIGHUP;
		seen_term += order[i] == SIGTERM;
		seen_usr2 += order[i] == SIGUSR2;
	}
	say("delivered: HUP %d TERM %d USR2 %d, all %d\n", seen_hup, seen_term, seen_usr2, count);
	count = 0;
	// With every handler masking all, they run one behind the other, the lowest number first.
	struct sigaction action = {.sa_handler = note};
	sigfillset(&action.sa_mask);
	int list[] = {SIGUSR2, SIGTERM, SIGHUP, SIGUSR1, SIGRTMIN + 3, SIGRTMIN + 1};
	for (size_t i = 0; i < COUNT(list); i++) sigaction(list[i], &action, NULL);
	sigprocmask(SIG_SETMASK, &all, &old);
	for (size_t i = 0; i < COUNT(list); i++) raise(list[i]);
	sigprocmask(SIG_SETMASK, &old, NULL);
	show_order("one at a time");
	// SIG_BLOCK and SIG_UNBLOCK add and take away.
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	SHOW(sigprocmask(SIG_BLOCK, &set, NULL));
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	SHOW(sigprocmask(SIG_BLOCK, &set, &old));
	say("old mask: USR1 %d USR2 %d\n", sigismember(&old, SIGUSR1), sigismember(&old, SIGUSR2));
	raise(SIGUSR1);
	raise(SIGUSR2);
	SHOW(sigprocmask(SIG_UNBLOCK, &set, NULL));
	show_order("after unblocking USR2");
	// sigsuspend: another mask while waiting, the old one after it.
	sigemptyset(&set);
	SHOW(sigsuspend(&set));
	show_order("sigsuspend");
	sigprocmask(SIG_SETMASK, NULL, &set);
	say("mask after: USR1 %d\n", sigismember(&set, SIGUSR1));
	// A signal still blocked by sigsuspend's mask does not wake it; a timer's signal does.
	raise(SIGUSR1);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	ticks(20);
	SHOW(sigsuspend(&set));
	show_order("sigsuspend with USR1 blocked");
	SHOW(pause());
	ticks(0);
	show_order("pause");
	sigemptyset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	show_order("at last");
	SHOW(sigprocmask(99, &set, NULL));
	SHOW(sigprocmask(99, NULL, &set));
	SHOW(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, NULL, 4));
	SHOW(syscall(SYS_rt_sigprocmask, SIG_BLOCK, WILD, NULL, 8));
	SHOW(syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, WILD, 8));
	SHOW(syscall(SYS_rt_sigpending, &set, 16));
	SHOW(syscall(SYS_rt_sigpending, WILD, 8));
	SHOW(syscall(SYS_rt_sigsuspend, WILD, 8));
	SHOW(syscall(SYS_rt_sigsuspend, &set, 4));
	return 0;
}

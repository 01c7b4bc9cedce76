// sigaction(2): what it returns, which signals cannot be changed, flags kept, SA_RESETHAND, SA_NODEFER, sa_mask, errors.
#include "check.h"

static volatile sig_atomic_t depth, deepest, runs, other_runs;

static void plain(int sig) {
	(void)sig;
	runs++;
}

static void nesting(int sig) {
	runs++;
	if (++depth > deepest) deepest = depth;
	if (runs < 4) raise(sig);
	depth--;
}

static void other(int sig) {
	(void)sig;
	other_runs++;
}

static void masked(int sig) {
	(void)sig;
	raise(SIGUSR2);
	say("  SIGUSR2 handler ran inside: %d\n", other_runs);
}

static const char *handler_name(void (*handler)(int)) { return handler == SIG_DFL ? "SIG_DFL" : handler == SIG_IGN ? "SIG_IGN" : handler == plain ? "plain" : "other"; }

// The kernel's own structure, for what glibc's wrapper refuses by itself.
struct kernel_sigaction {
	void *handler;
	unsigned long flags;
	void *restorer;
	unsigned long mask;
};

int main(void) {
	struct sigaction action = {.sa_handler = plain, .sa_flags = SA_RESTART | SA_NODEFER}, old;
	sigaddset(&action.sa_mask, SIGHUP);
	sigaddset(&action.sa_mask, SIGKILL);
	SHOW(sigaction(SIGUSR1, &action, &old));
	say("old: %s\n", handler_name(old.sa_handler));
	SHOW(sigaction(SIGUSR1, NULL, &old));
	say("now: %s restart %s nodefer %s mask HUP %d KILL %d INT %d\n", handler_name(old.sa_handler), yes(old.sa_flags & SA_RESTART), yes(old.sa_flags & SA_NODEFER), sigismember(&old.sa_mask, SIGHUP), sigismember(&old.sa_mask, SIGKILL), sigismember(&old.sa_mask, SIGINT));
	SHOW(sigaction(SIGKILL, &action, NULL));
	SHOW(sigaction(SIGSTOP, &action, NULL));
	SHOW(sigaction(SIGKILL, NULL, &old));
	say("SIGKILL: %s\n", handler_name(old.sa_handler));
	action.sa_handler = SIG_DFL;
	SHOW(sigaction(SIGKILL, &action, NULL));
	struct kernel_sigaction raw = {0};
	SHOW(syscall(SYS_rt_sigaction, 0, NULL, &raw, 8));
	SHOW(syscall(SYS_rt_sigaction, 65, NULL, &raw, 8));
	SHOW(syscall(SYS_rt_sigaction, -1, NULL, &raw, 8));
	SHOW(syscall(SYS_rt_sigaction, 64, NULL, &raw, 8));
	SHOW(syscall(SYS_rt_sigaction, SIGUSR1, NULL, &raw, 4));
	SHOW(syscall(SYS_rt_sigaction, SIGUSR1, NULL, &raw, 16));
	SHOW(syscall(SYS_rt_sigaction, SIGUSR1, WILD, NULL, 8));
	SHOW(syscall(SYS_rt_sigaction, SIGUSR1, NULL, WILD, 8));
	// SA_RESETHAND: one run, then the default.
	action.sa_handler = plain;
	action.sa_flags = (int)SA_RESETHAND;
	sigemptyset(&action.sa_mask);
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	sigaction(SIGUSR1, NULL, &old);
	say("after one run: %s, runs %d\n", handler_name(old.sa_handler), runs);
	// Without SA_NODEFER the signal waits for its handler to return.
	runs = 0;
	action.sa_handler = nesting;
	action.sa_flags = 0;
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	say("deferred: runs %d deepest %d\n", runs, deepest);
	runs = depth = deepest = 0;
	action.sa_flags = SA_NODEFER;
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	say("nodefer: runs %d deepest %d\n", runs, deepest);
	// sa_mask holds another signal back while the handler runs.
	signal(SIGUSR2, other);
	action.sa_handler = masked;
	action.sa_flags = 0;
	sigaddset(&action.sa_mask, SIGUSR2);
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	say("after the handler: %d\n", other_runs);
	sigemptyset(&action.sa_mask);
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	// Ignoring discards what is pending.
	sigset_t set, pending;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGTERM);
	sigpending(&pending);
	say("pending %d\n", sigismember(&pending, SIGTERM));
	signal(SIGTERM, SIG_IGN);
	sigpending(&pending);
	say("ignored: pending %d\n", sigismember(&pending, SIGTERM));
	signal(SIGTERM, SIG_DFL);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	say("survived\n");
	// Blocked and ignored: not even pending.
	signal(SIGTERM, SIG_IGN);
	raise(SIGTERM);
	signal(SIGTERM, SIG_DFL);
	say("survived again\n");
	return 0;
}

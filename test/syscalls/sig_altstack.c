// sigaltstack(2): handlers on it, nesting on it, SS_ONSTACK, what may not be changed from within, SS_AUTODISARM, errors, fork and threads.
#include "check.h"

static char memory[1 << 16], second[1 << 16];
static volatile int depth;

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif

static int on(const char *stack, const void *p) { return (const char *)p > stack && (const char *)p < stack + sizeof memory; }

static void handler(int sig) {
	char here;
	stack_t now, other = {.ss_sp = second, .ss_size = sizeof second};
	sigaltstack(NULL, &now);
	say("  %s: on the stack %s, SS_ONSTACK %s\n", sname(sig), yes(on(memory, &here)), yes(now.ss_flags & SS_ONSTACK));
	if (depth++ == 0) {
		say("  change from within: %s\n", sigaltstack(&other, NULL) == 0 ? "ok" : ename(errno));
		raise(SIGUSR2);
		say("  nested done, still on it %s\n", yes(on(memory, &here)));
	}
}

static void disarmed(int sig) {
	(void)sig;
	char here;
	stack_t now, other = {.ss_sp = second, .ss_size = sizeof second};
	sigaltstack(NULL, &now);
	say("  autodisarm: on the stack %s, flags disabled %s\n", yes(on(memory, &here)), yes(now.ss_flags & SS_DISABLE));
	say("  change from within: %s\n", sigaltstack(&other, NULL) == 0 ? "ok" : ename(errno));
}

static void segv(int sig, siginfo_t *info, void *context) {
	(void)sig;
	(void)context;
	char here;
	say("  SIGSEGV: on the stack %s, code %s\n", yes(on(memory, &here)), info->si_code == SEGV_MAPERR ? "SEGV_MAPERR" : "?");
	siglongjmp(fault_jump, 1);
}

int main(void) {
	stack_t stack = {.ss_sp = memory, .ss_size = sizeof memory}, old;
	SHOW(sigaltstack(NULL, &old));
	YES("disabled at first", old.ss_flags == SS_DISABLE);
	SHOW(sigaltstack(&stack, &old));
	SHOW(sigaltstack(NULL, &old));
	YES("set", old.ss_sp == memory && old.ss_size == sizeof memory && old.ss_flags == 0);
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGUSR2, &action, NULL);
	raise(SIGUSR1);
	// Without SA_ONSTACK the normal stack is used.
	action.sa_flags = 0;
	depth = 1;
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	// After a siglongjmp out of the handler the stack is free again.
	struct sigaction fault = {.sa_sigaction = segv, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	sigaction(SIGSEGV, &fault, NULL);
	for (int i = 0; i < 3; i++) {
		if (sigsetjmp(fault_jump, 1) == 0) *(volatile int *)LOW = 1;
	}
	sigaltstack(NULL, &old);
	YES("not on it after siglongjmp", (old.ss_flags & SS_ONSTACK) == 0);
	// fork inherits it, a CLONE_VM child without CLONE_VFORK does not.
	pid_t pid = fork();
	if (pid == 0) {
		sigaltstack(NULL, &old);
		_exit(old.ss_sp == memory ? 1 : 0);
	}
	say("forked child has it: %s\n", wname(reap(pid)));
	// SS_AUTODISARM
	stack.ss_flags = (int)SS_AUTODISARM;
	SHOW(sigaltstack(&stack, NULL));
	action.sa_handler = disarmed;
	action.sa_flags = SA_ONSTACK;
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	sigaltstack(NULL, &old);
	YES("the first one is back", old.ss_sp == memory);
	// Errors.
	stack.ss_flags = 0;
	stack.ss_size = 100;
	SHOW(sigaltstack(&stack, NULL));
	stack.ss_size = sizeof memory;
	stack.ss_flags = 0x40;
	SHOW(sigaltstack(&stack, NULL));
	stack.ss_flags = SS_ONSTACK;
	SHOW(sigaltstack(&stack, NULL));
	SHOW(syscall(SYS_sigaltstack, WILD, NULL));
	SHOW(syscall(SYS_sigaltstack, NULL, WILD));
	stack.ss_flags = SS_DISABLE;
	stack.ss_size = 0;
	SHOW(sigaltstack(&stack, NULL));
	// A bad alternate stack: SIGSEGV that cannot be delivered kills.
	pid = fork();
	if (pid == 0) {
		stack_t bad = {.ss_sp = (void *)0x200000000000, .ss_size = 1 << 16};
		sigaltstack(&bad, NULL);
		sigaction(SIGSEGV, &fault, NULL);
		action.sa_handler = handler;
		sigaction(SIGUSR1, &action, NULL);
		raise(SIGUSR1);
		_exit(0);
	}
	say("stack not mapped: %s\n", wname(reap(pid)));
	return 0;
}

// Signals the processor raises: codes and addresses for bad memory, bad instructions, divisions, breakpoints, single steps; blocked and ignored ones kill.
#include "check.h"
#include <ucontext.h>

static volatile int code, sig_seen;
static void *volatile address;
static volatile long trap_number, rip;

static void handler(int sig, siginfo_t *info, void *context) {
	ucontext_t *u = context;
	sig_seen = sig;
	code = info->si_code;
	address = info->si_addr;
	trap_number = (long)u->uc_mcontext.gregs[REG_TRAPNO];
	rip = (long)u->uc_mcontext.gregs[REG_RIP];
	siglongjmp(fault_jump, 1);
}

static void stepping(int sig, siginfo_t *info, void *context) {
	(void)sig;
	ucontext_t *u = context;
	code = info->si_code;
	rip = (long)u->uc_mcontext.gregs[REG_RIP];
	sig_seen++;
	u->uc_mcontext.gregs[REG_EFL] &= ~0x100L;
}

static const char *code_name(void) {
	if (code == SI_KERNEL) return "SI_KERNEL";
	if (sig_seen == SIGFPE) return code == FPE_INTDIV ? "FPE_INTDIV" : code == FPE_FLTDIV ? "FPE_FLTDIV" : code == FPE_FLTINV ? "FPE_FLTINV" : "?";
	if (sig_seen == SIGILL) return code == ILL_ILLOPN ? "ILL_ILLOPN" : code == ILL_ILLOPC ? "ILL_ILLOPC" : "?";
	if (sig_seen == SIGTRAP) return code == TRAP_BRKPT ? "TRAP_BRKPT" : code == TRAP_TRACE ? "TRAP_TRACE" : "?";
	if (sig_seen == SIGSEGV) return code == SEGV_MAPERR ? "SEGV_MAPERR" : code == SEGV_ACCERR ? "SEGV_ACCERR" : "?";
	return "?";
}

static void report(const char *label) { say("%s: %s %s trap %ld address is the instruction: %s\n", label, sname(sig_seen), code_name(), trap_number, yes((long)address == rip)); }

#define RUN(label, statement) \
	do { \
		if (sigsetjmp(fault_jump, 1) == 0) { \
			statement; \
			say("%s: no signal\n", label); \
		} else { \
			report(label); \
		} \
	} while (0)

static void divide_blocked(void) {
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	__asm__ volatile("xor %%eax, %%eax; xor %%edx, %%edx; xor %%ecx, %%ecx; idiv %%ecx" ::: "eax", "ecx", "edx");
}
static void ill_ignored(void) {
	signal(SIGILL, SIG_IGN);
	__asm__ volatile("ud2");
}
static void trap_default(void) {
	signal(SIGTRAP, SIG_DFL);
	__asm__ volatile("int3");
}
static void trap_ignored(void) {
	signal(SIGTRAP, SIG_IGN);
	__asm__ volatile("int3");
}

int main(void) {
	struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
	sigaction(SIGFPE, &action, NULL);
	sigaction(SIGILL, &action, NULL);
	sigaction(SIGTRAP, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	RUN("division by zero", __asm__ volatile("xor %%eax, %%eax; xor %%edx, %%edx; xor %%ecx, %%ecx; idiv %%ecx" ::: "eax", "ecx", "edx"));
	RUN("quotient too large", __asm__ volatile("mov $0x80000000, %%eax; cltd; mov $-1, %%ecx; idiv %%ecx" ::: "eax", "ecx", "edx"));
	RUN("ud2", __asm__ volatile("ud2"));
	RUN("int3", __asm__ volatile("int3"));
	RUN("int $3", __asm__ volatile(".byte 0xcd, 3"));
	RUN("hlt", __asm__ volatile("hlt"));
	RUN("cli", __asm__ volatile("cli"));
	RUN("in", __asm__ volatile("in $0x60, %%al" ::: "eax"));
	RUN("int $0x81", __asm__ volatile("int $0x81"));
	RUN("mov to cr0", __asm__ volatile("mov %%rax, %%cr0" ::: "memory"));
	RUN("rdmsr", __asm__ volatile("rdmsr" ::: "eax", "edx"));
	RUN("bad selector", __asm__ volatile("mov $0xfff8, %%eax; mov %%eax, %%es" ::: "eax"));
	RUN("read 8", (void)*(volatile char *)LOW);
	RUN("read wild", (void)*(volatile char *)WILD);
	RUN("jump to 8", ((void (*)(void))(uintptr_t)LOW)());
	// A floating point exception unmasked in MXCSR.
	unsigned mxcsr, open_mxcsr;
	__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
	open_mxcsr = mxcsr & ~0x280u;
	volatile double zero = 0, one = 1;
	if (sigsetjmp(fault_jump, 1) == 0) {
		__asm__ volatile("ldmxcsr %0" ::"m"(open_mxcsr));
		volatile double result = one / zero;
		(void)result;
	} else {
		report("1.0 / 0.0 unmasked");
	}
	__asm__ volatile("ldmxcsr %0" ::"m"(mxcsr));
	// int3 as a breakpoint: the handler returns, the program goes on behind it.
	action.sa_sigaction = stepping;
	sigaction(SIGTRAP, &action, NULL);
	sig_seen = 0;
	__asm__ volatile("int3");
	say("int3 returned: %d, code %s\n", sig_seen, code == SI_KERNEL ? "SI_KERNEL" : code == TRAP_BRKPT ? "TRAP_BRKPT" : "?");
	// The trap flag: one instruction, then SIGTRAP.
	sig_seen = 0;
	__asm__ volatile("pushfq; orl $0x100, (%%rsp); popfq; nop; nop" ::: "cc", "memory");
	say("single step: %d, code %s\n", sig_seen, code == TRAP_TRACE ? "TRAP_TRACE" : code == TRAP_BRKPT ? "TRAP_BRKPT" : "?");
	child("division while blocked", divide_blocked);
	child("ud2 while ignored", ill_ignored);
	child("int3 default", trap_default);
	child("int3 ignored", trap_ignored);
	return 0;
}

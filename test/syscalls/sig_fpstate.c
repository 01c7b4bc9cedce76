// Floating point and vector registers over signals: the handler's use of them changes nothing, and MXCSR and the x87 control word come back.
#include "check.h"
#include <immintrin.h>
#include <ucontext.h>

static volatile int runs;
static volatile int has_avx;

static void dirty(int sig, siginfo_t *info, void *context) {
	(void)sig;
	(void)info;
	runs++;
	ucontext_t *u = context;
	if (u->uc_mcontext.fpregs == NULL || ((uintptr_t)u->uc_mcontext.fpregs & 15) != 0) _exit(50);
	unsigned mxcsr = 0x7f80;  // another rounding mode
	unsigned short control = 0x0f7f;
	__asm__ volatile("ldmxcsr %0" ::"m"(mxcsr));
	__asm__ volatile("fninit; fldcw %0; fldpi; fldpi" ::"m"(control));
	__asm__ volatile("pcmpeqd %%xmm0, %%xmm0; movaps %%xmm0, %%xmm1; movaps %%xmm0, %%xmm2; movaps %%xmm0, %%xmm3; movaps %%xmm0, %%xmm4; movaps %%xmm0, %%xmm5; movaps %%xmm0, %%xmm6; movaps %%xmm0, %%xmm7; movaps %%xmm0, %%xmm8; movaps %%xmm0, %%xmm15" ::: "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm15");
	if (has_avx) __asm__ volatile("vzeroall" ::: "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
}

static void look(int sig, siginfo_t *info, void *context) {
	(void)sig;
	(void)info;
	ucontext_t *u = context;
	// xmm7 at the time of the signal is in the frame; what the handler writes there is what the program gets.
	unsigned *xmm7 = u->uc_mcontext.fpregs->_xmm[7].element;
	say("in the frame: %x %x %x %x\n", xmm7[0], xmm7[1], xmm7[2], xmm7[3]);
	xmm7[2] = 0x77777777;
	runs++;
}

__attribute__((target("avx"))) static int avx_kept(void) {
	int wrong = 0;
	for (int round = 0; round < 50; round++) {
		uint64_t in[4] = {1, 2, 3, 4000000000000UL + (unsigned)round}, out[4];
		long pid = getpid(), tid = gettid(), result;
		__asm__ volatile("vmovdqu %2, %%ymm9; syscall; vmovdqu %%ymm9, %1" : "=a"(result), "=m"(out) : "m"(in), "0"((long)SYS_tgkill), "D"(pid), "S"(tid), "d"((long)SIGUSR1) : "rcx", "r11", "memory", "xmm9");
		wrong += result != 0 || memcmp(in, out, sizeof in) != 0;
	}
	return wrong;
}

int main(void) {
	__builtin_cpu_init();
	has_avx = __builtin_cpu_supports("avx");
	struct sigaction action = {.sa_sigaction = dirty, .sa_flags = SA_SIGINFO};
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGALRM, &action, NULL);
	unsigned before, after;
	unsigned short control_before, control_after;
	__asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(before), "=m"(control_before));
	int wrong = 0;
	for (int round = 0; round < 50; round++) {
		uint64_t in[2] = {0x0102030405060708UL + (unsigned)round, ~(uint64_t)round}, out[2];
		long pid = getpid(), tid = gettid(), result;
		__asm__ volatile("movdqu %2, %%xmm5; syscall; movdqu %%xmm5, %1" : "=a"(result), "=m"(out) : "m"(in), "0"((long)SYS_tgkill), "D"(pid), "S"(tid), "d"((long)SIGUSR1) : "rcx", "r11", "memory", "xmm5");
		wrong += result != 0 || memcmp(in, out, sizeof in) != 0;
	}
	__asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(after), "=m"(control_after));
	say("runs %d, wrong %d, MXCSR kept %s, control word kept %s\n", runs, wrong, yes(before == after), yes(control_before == control_after));
	if (has_avx) wrong = avx_kept();
	say("wrong upper halves: %d\n", wrong);
	// Asynchronous: a computation interrupted by a timer every millisecond gives the same result as an undisturbed one.
	double results[2];
	for (int round = 0; round < 2; round++) {
		struct itimerval timer = {{0, round == 0 ? 0 : 1000}, {0, round == 0 ? 0 : 1000}};
		runs = 0;
		setitimer(ITIMER_REAL, &timer, NULL);
		volatile double seed = 0.5;
		double x = seed, sum = 0;
		long double wide = seed;
		for (int i = 0; i < 6000000; i++) {
			x = 3.9 * x * (1 - x);
			sum += x;
			if ((i & 255) == 0) wide = wide * 1.0000001L + 1e-9L;
		}
		results[round] = sum + (double)wide;
		timer.it_interval.tv_usec = timer.it_value.tv_usec = 0;
		setitimer(ITIMER_REAL, &timer, NULL);
	}
	YES("interrupted at least five times", runs >= 5);
	YES("same result", results[0] == results[1]);
	action.sa_sigaction = look;
	sigaction(SIGUSR2, &action, NULL);
	uint32_t in[4] = {0x11111111, 0x22222222, 0x33333333, 0x44444444}, out[4];
	long pid = getpid(), tid = gettid(), result;
	__asm__ volatile("movdqu %2, %%xmm7; syscall; movdqu %%xmm7, %1" : "=a"(result), "=m"(out) : "m"(in), "0"((long)SYS_tgkill), "D"(pid), "S"(tid), "d"((long)SIGUSR2) : "rcx", "r11", "memory", "xmm7");
	say("changed through the frame: %x %x %x %x\n", out[0], out[1], out[2], out[3]);
	return 0;
}

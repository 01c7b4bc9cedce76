// General registers over signals: all kept, also over asynchronous ones in a tight loop; flags, segment bases and the red zone.
#include "check.h"
#include <ucontext.h>

static volatile int runs;

static void clobber(int sig, siginfo_t *info, void *context) {
	(void)sig;
	(void)info;
	(void)context;
	runs++;
	__asm__ volatile("xor %%ebx, %%ebx; xor %%r12d, %%r12d; std; cld" ::: "rbx", "r12", "cc");
}

// Loads every register that can be spared, spins, and returns how many differ after `spins` rounds.
static int registers_kept(long spins) {
	uint64_t values[12] = {0};
	__asm__ volatile(
		"mov $0x1111111111111111, %%rax; mov $0x2222222222222222, %%rbx; mov $0x3333333333333333, %%rdx;"
		"mov $0x5555555555555555, %%r8; mov $0x6666666666666666, %%r9; mov $0x7777777777777777, %%r10;"
		"mov $0x8888888888888888, %%r11; mov $0x9999999999999999, %%r12; mov $0xaaaaaaaaaaaaaaaa, %%r13; mov $0xbbbbbbbbbbbbbbbb, %%r14; mov $0xcccccccccccccccc, %%r15;"
		"movq $0x12345678, -16(%%rsp); movq $0x23456789, -128(%%rsp);"
		"1: dec %%rcx; jnz 1b;"
		"mov %%rax, 0(%%rdi); mov %%rbx, 8(%%rdi); mov %%rdx, 16(%%rdi); mov %%r8, 24(%%rdi); mov %%r9, 32(%%rdi); mov %%r10, 40(%%rdi);"
		"mov %%r11, 48(%%rdi); mov %%r12, 56(%%rdi); mov %%r13, 64(%%rdi); mov %%r14, 72(%%rdi); mov %%r15, 80(%%rdi);"
		"mov -16(%%rsp), %%rax; sub $0x12345678, %%rax; mov -128(%%rsp), %%rbx; sub $0x23456789, %%rbx; or %%rbx, %%rax; mov %%rax, 88(%%rdi)"
		: "+c"(spins)
		: "D"(values)
		: "rax", "rbx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
	static const uint64_t expected[12] = {0x1111111111111111, 0x2222222222222222, 0x3333333333333333, 0x5555555555555555, 0x6666666666666666, 0x7777777777777777, 0x8888888888888888, 0x9999999999999999, 0xaaaaaaaaaaaaaaaa, 0xbbbbbbbbbbbbbbbb, 0xcccccccccccccccc, 0};
	int wrong = 0;
	for (int i = 0; i < 12; i++) wrong += values[i] != expected[i];
	return wrong;
}

static void look(int sig, siginfo_t *info, void *context) {
	(void)info;
	ucontext_t *u = context;
	greg_t *g = u->uc_mcontext.gregs;
	char here;
	say("%s: stack aligned %s, red zone clear %s, cs %#x, direction flag %s\n", sname(sig), yes(((uintptr_t)__builtin_frame_address(0) & 15) == 0), yes(g[REG_RSP] - (long)&here > 128), (unsigned)g[REG_CSGSFS] & 0xffff, yes(g[REG_EFL] & 0x400));
	say("rbx in the frame: %lx, link %s\n", (long)g[REG_RBX], yes(u->uc_link != NULL));
	runs++;
}

int main(void) {
	struct sigaction action = {.sa_sigaction = clobber, .sa_flags = SA_SIGINFO};
	sigaction(SIGALRM, &action, NULL);
	struct itimerval timer = {{0, 1000}, {0, 1000}};
	setitimer(ITIMER_REAL, &timer, NULL);
	int wrong = 0;
	long before = now_ms();
	while (runs < 20 && now_ms() - before < 1500) wrong += registers_kept(1000000);
	timer.it_interval.tv_usec = timer.it_value.tv_usec = 0;
	setitimer(ITIMER_REAL, &timer, NULL);
	YES("at least ten interruptions", runs >= 10);
	say("wrong registers: %d\n", wrong);
	// A system call keeps everything but rax, rcx and r11.
	uint64_t rbx = 0x1234, rbp_like = 0, r10 = 77, r8 = 88, r9 = 99, rdi = 11, rsi = 22, rdx = 33, rax = SYS_getpid;
	register uint64_t r10_ __asm__("r10") = r10, r8_ __asm__("r8") = r8, r9_ __asm__("r9") = r9;
	__asm__ volatile("syscall" : "+a"(rax), "+b"(rbx), "+D"(rdi), "+S"(rsi), "+d"(rdx), "+r"(r10_), "+r"(r8_), "+r"(r9_) : : "rcx", "r11", "memory");
	say("after getpid: %lx %lu %lu %lu %lu %lu %lu %lu\n", rbx, rdi, rsi, rdx, r10_, r8_, r9_, rbp_like);
	YES("rax is the pid", (pid_t)rax == getpid());
	uint64_t rcx, here;
	__asm__ volatile("lea 1f(%%rip), %2; syscall; 1:" : "=c"(rcx), "=a"(rax), "=&r"(here) : "a"(SYS_getpid) : "r11", "memory");
	YES("rcx is the return address", rcx == here);
	action.sa_sigaction = look;
	sigaction(SIGUSR1, &action, NULL);
	runs = 0;
	long pid = getpid(), tid = gettid(), result;
	__asm__ volatile("std; syscall; cld" : "=a"(result) : "0"((long)SYS_tgkill), "D"(pid), "S"(tid), "d"((long)SIGUSR1), "b"(0xabcdefL) : "rcx", "r11", "memory", "cc");
	say("tgkill %ld, runs %d\n", result, runs);
	return 0;
}

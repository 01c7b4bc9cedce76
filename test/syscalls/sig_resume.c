// Handlers that repair and return: SIGSEGV with mprotect or mmap, a moved instruction pointer, changed registers; write barriers as garbage collectors use them.
#include "check.h"
#include <ucontext.h>

static char *area;
static volatile int faults, mapped;

static void unprotect(int sig, siginfo_t *info, void *context) {
	(void)sig;
	(void)context;
	faults++;
	char *page = (char *)((uintptr_t)info->si_addr & ~4095UL);
	if (info->si_code == SEGV_MAPERR) {
		mapped++;
		if (mmap(page, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) _exit(1);
	} else if (mprotect(page, PAGE, PROT_READ | PROT_WRITE) != 0) {
		_exit(2);
	}
}

static void skip_two(int sig, siginfo_t *info, void *context) {
	(void)sig;
	(void)info;
	ucontext_t *u = context;
	u->uc_mcontext.gregs[REG_RIP] += 2;
	u->uc_mcontext.gregs[REG_RAX] = 1234;
	u->uc_mcontext.gregs[REG_R15] += 1;
}

static void by_signal(int sig, siginfo_t *info, void *context) {
	(void)sig;
	(void)info;
	ucontext_t *u = context;
	u->uc_mcontext.gregs[REG_RBX] = 0x5555;
	sigaddset(&u->uc_sigmask, SIGUSR2);  // the mask that counts after the return
}

int main(void) {
	area = mmap(NULL, 64 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct sigaction action = {.sa_sigaction = unprotect, .sa_flags = SA_SIGINFO};
	sigaction(SIGSEGV, &action, NULL);
	for (int i = 0; i < 64; i++) area[i * PAGE + i] = (char)i;
	int wrong = 0;
	for (int i = 0; i < 64; i++) wrong += area[i * PAGE + i] != (char)i;
	say("faults %d, wrong %d\n", faults, wrong);
	MUST(munmap(area, 64 * PAGE));
	faults = 0;
	for (int i = 0; i < 64; i += 2) area[i * PAGE] = 1;
	say("faults %d, mapped %d\n", faults, mapped);
	// One access that touches two bad pages faults twice and then succeeds.
	faults = 0;
	area = mmap(NULL, 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	*(volatile uint64_t *)(area + PAGE - 4) = 0x1122334455667788;
	say("straddling store: faults %d, value %lx\n", faults, *(volatile uint64_t *)(area + PAGE - 4));
	// Write barrier: read-only, one fault a page, then none.
	area = anon(32 * PAGE);
	faults = 0;
	for (int round = 0; round < 5; round++) {
		MUST(mprotect(area, 32 * PAGE, PROT_READ));
		for (int i = 0; i < 32; i++) area[i * PAGE]++;
		for (int i = 0; i < 32; i++) area[i * PAGE]++;
	}
	say("barrier faults %d, value %d\n", faults, area[31 * PAGE]);
	// ud2 is two bytes: the handler steps over it and changes registers.
	action.sa_sigaction = skip_two;
	sigaction(SIGILL, &action, NULL);
	long rax = 0, r15 = 10;
	register long kept __asm__("r15") = r15;
	__asm__ volatile("ud2" : "=a"(rax), "+r"(kept));
	say("stepped over: rax %ld r15 %ld\n", rax, kept);
	action.sa_sigaction = by_signal;
	sigaction(SIGUSR1, &action, NULL);
	long rbx = 0;
	long pid = getpid(), tid = gettid();
	__asm__ volatile("syscall" : "=b"(rbx) : "a"(SYS_tgkill), "D"(pid), "S"(tid), "d"((long)SIGUSR1), "b"(7L) : "rcx", "r11", "memory");
	sigset_t mask;
	sigprocmask(SIG_SETMASK, NULL, &mask);
	say("rbx %lx, mask changed: %d\n", rbx, sigismember(&mask, SIGUSR2));
	return 0;
}

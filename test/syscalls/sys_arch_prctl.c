// arch_prctl: FS and GS bases set, read back, used by instructions, kept over system calls and signals, inherited; refused values.
#include "check.h"
#include <asm/prctl.h>

static long area[4] = {0x1111, 0x2222, 0x3333, 0x4444};

static long gs_word(long offset) {
	long value;
	__asm__ volatile("mov %%gs:(%1), %0" : "=r"(value) : "r"(offset));
	return value;
}

static long fs_word(void) {
	long value;
	__asm__ volatile("mov %%fs:0, %0" : "=r"(value));
	return value;
}

static volatile long in_handler;
static void handler(int sig) {
	(void)sig;
	in_handler = gs_word(8);
}

int main(void) {
	unsigned long base = 1;
	SHOW(syscall(SYS_arch_prctl, ARCH_GET_GS, &base));
	say("GS at first %lu\n", base);
	SHOW(syscall(SYS_arch_prctl, ARCH_GET_FS, &base));
	YES("FS is the thread pointer", base == (unsigned long)fs_word());
	SHOW(syscall(SYS_arch_prctl, ARCH_SET_GS, area));
	SHOW(syscall(SYS_arch_prctl, ARCH_GET_GS, &base));
	YES("GS read back", base == (unsigned long)area);
	say("%lx %lx\n", gs_word(0), gs_word(24));
	getpid();
	sched_yield();
	sleep_ms(5);
	say("after system calls: %lx\n", gs_word(16));
	signal(SIGUSR1, handler);
	raise(SIGUSR1);
	say("in a handler: %lx, after: %lx\n", in_handler, gs_word(0));
	pid_t pid = fork();
	if (pid == 0) _exit(gs_word(24) == 0x4444 ? 0 : 1);
	say("child: %s\n", wname(reap(pid)));
	// FS changed for a moment, without the library noticing.
	unsigned long old, own_block[8] = {0};
	syscall(SYS_arch_prctl, ARCH_GET_FS, &old);
	own_block[0] = 0xabcdef;
	long seen, result;
	__asm__ volatile(
		"syscall; mov %%fs:0, %%r8; mov $158, %%eax; mov $0x1002, %%edi; mov %4, %%rsi; syscall"
		: "=a"(result), "=D"(seen)
		: "a"((long)SYS_arch_prctl), "S"(own_block), "r"(old), "D"((long)ARCH_SET_FS)
		: "rcx", "r11", "r8", "memory");
	__asm__ volatile("mov %%r8, %0" : "=r"(seen));
	say("FS changed and back: %ld\n", result);
	YES("errno still works", (close(-1), errno == EBADF));
	SHOW(syscall(SYS_arch_prctl, ARCH_SET_GS, WILD));
	SHOW(syscall(SYS_arch_prctl, ARCH_SET_GS, KERNEL_HALF));
	SHOW(syscall(SYS_arch_prctl, ARCH_SET_FS, WILD));
	SHOW(syscall(SYS_arch_prctl, ARCH_GET_FS, WILD));
	SHOW(syscall(SYS_arch_prctl, ARCH_GET_GS, WILD));
	SHOW(syscall(SYS_arch_prctl, 0x9999, 0));
	say("GS kept: %lx\n", gs_word(0));
	SHOW(syscall(SYS_arch_prctl, ARCH_SET_GS, 0));
	SHOW(syscall(SYS_arch_prctl, ARCH_GET_GS, &base));
	say("GS %lu\n", base);
	return 0;
}

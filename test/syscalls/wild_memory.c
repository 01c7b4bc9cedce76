// Programs that destroy themselves: everything unmapped or overwritten, bad stacks, bad signal frames, jumps to nowhere. Only the child dies.
#include "check.h"
#include <ucontext.h>

static void unmap_everything(void) { syscall(SYS_munmap, 0, 0x7ffffffff000L); }

static void protect_everything(void) {
	for (unsigned long a = 0x400000; a < 0x600000; a += PAGE) syscall(SYS_mprotect, a, PAGE, PROT_NONE);
	syscall(SYS_mprotect, (unsigned long)__builtin_frame_address(0) & ~4095UL, PAGE, PROT_NONE);
	*(volatile int *)__builtin_frame_address(0) = 1;
}

static struct {
	unsigned long from, to;
	int is_writable;
} ranges[64];

// The mappings of this process without those that belong to the kernel; returns how many.
static int list_ranges(void) {
	static char text[1 << 16];
	int fd = open("/proc/self/maps", O_RDONLY), count = 0;
	size_t have = 0;
	for (ssize_t n; (n = read(fd, text + have, sizeof text - 1 - have)) > 0;) have += (size_t)n;
	text[have] = 0;
	for (char *line = strtok(text, "\n"); line != NULL && count < 64; line = strtok(NULL, "\n")) {
		char permissions[8];
		if (strstr(line, "[v") != NULL || sscanf(line, "%lx-%lx %7s", &ranges[count].from, &ranges[count].to, permissions) != 3) continue;
		ranges[count++].is_writable = permissions[1] == 'w';
	}
	return count;
}

// Overwrites every writable mapping, the list of them and the stack included.
static void overwrite_everything(void) {
	int count = list_ranges();
	for (int i = 0; i < count; i++) {
		if (!ranges[i].is_writable) continue;
		for (volatile unsigned long *p = (unsigned long *)ranges[i].from; p < (unsigned long *)ranges[i].to; p++) *p = 0xdeadbeefdeadbeefUL;
	}
}

static void map_over_everything(void) {
	int count = list_ranges();
	for (int i = 0; i < count; i++) syscall(SYS_mmap, ranges[i].from, ranges[i].to - ranges[i].from, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

static void bad_stack_pointer(void) { __asm__ volatile("mov $0x123456789abc, %%rsp; push %%rax" ::: "memory"); }
static void noncanonical_stack_pointer(void) { __asm__ volatile("mov $0x8000000000000000, %%rax; mov %%rax, %%rsp; push %%rax" ::: "memory", "rax"); }

// System calls do not need a stack; a signal does.
static void no_stack_system_calls(void) {
	__asm__ volatile(
		"xor %%esp, %%esp;"
		"mov $39, %%eax; syscall; mov %%eax, %%edi;"
		"mov $39, %%eax; syscall;"
		"xor %%eax, %%edi; add $21, %%edi;"
		"mov $60, %%eax; syscall" ::
			: "memory", "rax", "rdi", "rcx", "r11");
}

static void empty_handler(int sig) { (void)sig; }
static void signal_without_stack(void) {
	signal(SIGUSR1, empty_handler);
	long pid = getpid();
	__asm__ volatile(
		"xor %%esp, %%esp;"
		"mov $62, %%eax; mov %0, %%rdi; mov $10, %%esi; syscall;"
		"mov $60, %%eax; mov $33, %%edi; syscall" ::"r"(pid)
		: "memory", "rax", "rdi", "rsi", "rcx", "r11");
}

static void sigreturn_from_nowhere(void) {
	memset(__builtin_alloca(2000), 0xff, 2000);
	syscall(SYS_rt_sigreturn);
	_exit(44);
}
static void sigreturn_without_stack(void) { __asm__ volatile("xor %%esp, %%esp; mov $15, %%eax; syscall; mov $60, %%eax; mov $34, %%edi; syscall" ::: "memory", "rax", "rdi", "rcx", "r11"); }

static int frame_kind;
static void frame_damage(int sig, siginfo_t *info, void *context) {
	(void)sig;
	(void)info;
	ucontext_t *u = context;
	greg_t *g = u->uc_mcontext.gregs;
	if (frame_kind == 0) g[REG_RIP] = 8;
	if (frame_kind == 1) g[REG_RIP] = (greg_t)0x00f0000000000000;
	if (frame_kind == 2) g[REG_RIP] = (greg_t)0xffffffff80000000;
	if (frame_kind == 3) g[REG_RSP] = 16;
	if (frame_kind == 4) u->uc_mcontext.fpregs = (fpregset_t)WILD;
	if (frame_kind == 5) u->uc_mcontext.fpregs = (fpregset_t)LOW;
	if (frame_kind == 6) g[REG_EFL] = (greg_t)0xffffffffffffffff & ~0x100L & ~0x40000L;  // everything but trap and alignment check
}
static void damaged_frame(void) {
	struct sigaction action = {.sa_sigaction = frame_damage, .sa_flags = SA_SIGINFO};
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	__asm__ volatile("cld");
	_exit(55);
}

static void jump_to_nothing(void) { ((void (*)(void))WILD)(); }
static void jump_to_zero(void) { ((void (*)(void))NIL)(); }
static void endless_faults(void) {
	// The handler itself faults: the second one is blocked, which kills.
	signal(SIGSEGV, (void (*)(int))(uintptr_t)0x1234);
	*(volatile int *)LOW = 1;
}
static void close_everything(void) {
	for (int i = 0; i < 1024; i++) close(i);
	say("nobody hears this\n");
}
static void overwrite_code(void) {
	unsigned long page = (unsigned long)overwrite_code & ~4095UL;
	syscall(SYS_mprotect, page, 2 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
	memset((void *)page, 0x0b, 2 * PAGE);
	((void (*)(void))(page + 100))();
}

int main(void) {
	child("unmap everything", unmap_everything);
	child("protect everything", protect_everything);
	child("overwrite everything", overwrite_everything);
	child("bad stack pointer", bad_stack_pointer);
	child("non-canonical stack pointer", noncanonical_stack_pointer);
	child("system calls without a stack", no_stack_system_calls);
	child("signal without a stack", signal_without_stack);
	child("sigreturn from nowhere", sigreturn_from_nowhere);
	child("sigreturn without a stack", sigreturn_without_stack);
	for (frame_kind = 0; frame_kind < 7; frame_kind++) {
		char label[32];
		snprintf(label, sizeof label, "damaged frame %d", frame_kind);
		child(label, damaged_frame);
	}
	child("jump to nothing", jump_to_nothing);
	child("jump to zero", jump_to_zero);
	child("endless faults", endless_faults);
	child("close everything", close_everything);
	child("map over everything", map_over_everything);
	child("overwrite code", overwrite_code);
	say("still here\n");
	return 0;
}

// Hot system call sites, which a sandbox may patch: a program that reads, checksums, dumps, rewrites, single-steps, forks with,
// or moves its own code must not notice.
// flags: -pthread
#include "check.h"
#include <asm/prctl.h>
#include <pthread.h>
#include <ucontext.h>

#define ROUNDS 300
#define CHECK(condition)                                                                                               \
	do {                                                                                                                 \
		if (!(condition)) die("line %d: %s", __LINE__, #condition);                                                        \
	} while (0)

/* Sites of several shapes, on pages of their own. */
__asm__(".text\n.balign 4096\n.globl sites_start, sites_end\nsites_start:\n"
				"nop\n.globl site_before\nsite_before: mov $110,%eax\n syscall\n ret\n jmp .\n"
				".globl site_between\nsite_between: mov $110,%eax\n mov %rdi,%rsi\n xor %edx,%edx\n syscall\n ret\n jmp .\n"
				".globl site_after\nsite_after: mov %rdi,%rax\n mov %rsi,%rdi\n mov %rdx,%rsi\n mov %rcx,%rdx\n syscall\n"
				".globl site_behind\nsite_behind: cmp $-4096,%rax\n ret\n jmp .\n"
				".globl site_ret\nsite_ret: mov %edi,%eax\n syscall\n ret\n nopl 0(%rax,%rax)\n"
				".globl site_jump\nsite_jump: jmp site_behind\n"
				".balign 4096\nsites_end:\n");
extern uint8_t sites_start[], sites_end[], site_behind[];
long site_before(void);
long site_between(long);
long site_after(long nr, long a, long b, long c);
long site_ret(long nr);
long site_jump(void);

static uint32_t sum(const uint8_t *from, size_t length) {
	uint32_t value = 1;
	for (size_t i = 0; i < length; i++) value = value * 31 + from[i];
	return value;
}

static int heat(void) {
	long parent = getppid();
	int wrong = 0;
	for (int i = 0; i < ROUNDS; i++) {
		wrong += site_before() != parent;
		wrong += site_between(i) != parent;
		wrong += site_after(SYS_getppid, 0, 0, 0) != parent;
		wrong += site_after(SYS_close, -1, 0, 0) != -EBADF;
		wrong += site_ret(SYS_getppid) != parent;
	}
	return wrong;
}

static void test_reading(void) {
	size_t length = (size_t)(sites_end - sites_start);
	uint8_t *before = malloc(length), *dump = malloc(length);
	uint32_t checksum = sum(sites_start, length);
	memcpy(before, sites_start, length);
	CHECK(heat() == 0);
	int fds[2];
	CHECK(pipe(fds) == 0);
	CHECK(write(fds[1], sites_start, length) == (long)length);
	CHECK(read(fds[0], dump, length) == (long)length);
	CHECK(memcmp(dump, before, length) == 0);
	CHECK(heat() == 0);
	int mem = open("/proc/self/mem", O_RDONLY);
	CHECK(mem >= 0);
	CHECK(pread(mem, dump, length, (off_t)(uintptr_t)sites_start) == (long)length);
	CHECK(memcmp(dump, before, length) == 0);
	close(mem);
	CHECK(heat() == 0);
	/* With a processor that cannot map code unreadable, this may differ in a sandbox. */
	if (__builtin_cpu_supports("avx2")) {
		unsigned a = 7, b = 0, c = 0, d = 0;
		__asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
		if ((c >> 4 & 1) != 0) CHECK(sum(sites_start, length) == checksum);
	}
	CHECK(heat() == 0);
	free(before);
	free(dump);
	say("reading: ok\n");
}

static void test_fork(void) {
	for (int i = 0; i < 3; i++) {
		fflush(stdout);
		pid_t child = fork();
		if (child == 0) {
			long parent = getppid();
			for (int k = 0; k < ROUNDS; k++)
				if (site_after(SYS_getppid, 0, 0, 0) != parent || syscall(SYS_getppid) != parent) _exit(1);
			pid_t grandchild = fork();
			if (grandchild == 0) _exit(heat() != 0);
			int status;
			_exit(waitpid(grandchild, &status, 0) != grandchild || status != 0);
		}
		int status;
		CHECK(waitpid(child, &status, 0) == child && status == 0);
		CHECK(heat() == 0);
	}
	say("fork: ok\n");
}

/* A program that was patched is replaced by another one, the same, which is patched anew; from a thread, too. */
static void *replace(void *argument) {
	char *argv[] = {"patch_sites", "again", NULL};
	(void)argument;
	if (heat() == 0) execv("/proc/self/exe", argv);
	_exit(3);
}

static void test_exec(void) {
	for (int threaded = 0; threaded < 2; threaded++) {
		fflush(stdout);
		pid_t child = fork();
		if (child == 0) {
			pthread_t thread;
			if (heat() != 0) _exit(1);
			if (!threaded) replace(NULL);
			if (pthread_create(&thread, NULL, replace, NULL) != 0) _exit(2);
			for (;;) site_before();
		}
		int status;
		CHECK(waitpid(child, &status, 0) == child && status == 0);
	}
	say("exec: ok\n");
}

/* A function in memory of its own: mov $nr,%eax; syscall; cmp $-4096,%rax; ret. */
static const uint8_t template[] = {0x90, 0xb8, 110, 0, 0, 0, 0x0f, 0x05, 0x48, 0x3d, 0, 0xf0, 0xff, 0xff, 0xc3};

static void test_rewriting(void) {
	uint8_t *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(page != MAP_FAILED);
	long parent = getppid(), self = getpid();
	for (int round = 0; round < 6; round++) {
		CHECK(mprotect(page, 4096, PROT_READ | PROT_WRITE) == 0);
		if (round > 0) CHECK(memcmp(page + 3, template + 3, 4) == 0 && page[7] == 5);
		memcpy(page, template, sizeof(template));
		page[2] = round % 2 == 0 ? 110 : 39;
		CHECK(mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0);
		long (*function)(void) = (long (*)(void))(void *)page;
		int wrong = 0;
		for (int i = 0; i < ROUNDS; i++) wrong += function() != (round % 2 == 0 ? parent : self);
		CHECK(wrong == 0);
		if (round == 3) CHECK(mremap(page, 8192, 16384, MREMAP_MAYMOVE) == page || 1);
	}
	CHECK(madvise(page, 4096, MADV_DONTNEED) == 0);
	CHECK(page[0] == 0 && page[8] == 0);
	CHECK(munmap(page, 8192) == 0);
	/* Other code at the same address. */
	for (int round = 0; round < 4; round++) {
		uint8_t *again =
				mmap(page, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | (round > 0 ? MAP_FIXED : 0), -1, 0);
		CHECK(again != MAP_FAILED);
		page = again;
		memcpy(page, template, sizeof(template));
		page[2] = round % 2 == 0 ? 39 : 110;
		CHECK(mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0);
		int wrong = 0;
		for (int i = 0; i < ROUNDS; i++) wrong += ((long (*)(void))(void *)page)() != (round % 2 == 0 ? self : parent);
		CHECK(wrong == 0);
	}
	/* Writable and executable: written while it is hot. */
	CHECK(mprotect(page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
	int wrong = 0;
	for (int i = 0; i < ROUNDS; i++) {
		page[2] = i % 2 == 0 ? 39 : 110;
		wrong += ((long (*)(void))(void *)page)() != (i % 2 == 0 ? self : parent);
	}
	CHECK(wrong == 0);
	CHECK(munmap(page, 4096) == 0);
	say("rewriting: ok\n");
}

static volatile int steps;
static volatile int strange;

static void on_trap(int signo, siginfo_t *info, void *context) {
	ucontext_t *uc = context;
	uintptr_t rip = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
	(void)signo;
	(void)info;
	steps++;
	if (rip < (uintptr_t)sites_start || rip >= (uintptr_t)sites_end) strange++;
}

static void set_trap_flag(void) { __asm__ volatile("pushfq\n orq $0x100,(%%rsp)\n popfq" ::: "memory", "cc"); }

static void test_stepping(void) {
	struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
	CHECK(sigaction(SIGTRAP, &action, NULL) == 0);
	heat();
	for (int round = 0; round < 3; round++) {
		long result = 0;
		steps = 0;
		strange = 0;
		/* The traps: behind popfq's next instruction, and so on; only those in our sites are ordinary. */
		__asm__ volatile("sub $128,%%rsp\n pushfq\n orq $0x100,(%%rsp)\n popfq\n call site_before\n pushfq\n andq $-257,(%%rsp)\n popfq\n"
										 "add $128,%%rsp"
										 : "=a"(result)
										 :
										 : "rcx", "r11", "memory", "cc");
		CHECK(result == getppid());
		CHECK(steps >= 5 && steps <= 8);
		CHECK(strange <= 5);
		say("steps %d outside %d\n", steps, strange);
	}
	signal(SIGTRAP, SIG_DFL);
	CHECK(heat() == 0);
	say("stepping: ok\n");
}

static void *use_gs(void *argument) {
	static uint64_t words[4] = {11, 22, 33, 44};
	int *wrong = argument;
	if (syscall(SYS_arch_prctl, ARCH_SET_GS, words) != 0) *wrong += 1000;
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t value;
		*wrong += site_before() != getppid();
		*wrong += site_after(SYS_getppid, 0, 0, 0) != getppid();
		__asm__ volatile("mov %%gs:8,%0" : "=r"(value));
		*wrong += value != 22;
	}
	uint64_t base = 0;
	if (syscall(SYS_arch_prctl, ARCH_GET_GS, &base) != 0 || base != (uintptr_t)words) *wrong += 1000;
	if (syscall(SYS_arch_prctl, ARCH_SET_GS, 0) != 0) *wrong += 1000;
	for (int i = 0; i < ROUNDS; i++) *wrong += site_before() != getppid();
	if (syscall(SYS_arch_prctl, ARCH_GET_GS, &base) != 0 || base != 0) *wrong += 1000;
	return NULL;
}

static void *hammer(void *argument) {
	int *wrong = argument;
	double value = 1.5;
	for (int i = 0; i < 3000; i++) {
		*wrong += site_after(SYS_getppid, 0, 0, 0) != getppid();
		*wrong += syscall(SYS_gettid) == getpid();
		value = value * 2 - 1.5;
		*wrong += value != 1.5;
	}
	return NULL;
}

static void test_threads(void) {
	pthread_t threads[4];
	int wrong[4] = {0};
	for (int i = 0; i < 4; i++) CHECK(pthread_create(&threads[i], NULL, i == 0 ? use_gs : hammer, &wrong[i]) == 0);
	for (int i = 0; i < 4; i++) {
		CHECK(pthread_join(threads[i], NULL) == 0);
		CHECK(wrong[i] == 0);
	}
	say("threads: ok\n");
}

static volatile int alarms;
static volatile uintptr_t low = UINTPTR_MAX, high;
static uintptr_t trap_start, trap_end;
static volatile int inside;

static void on_alarm(int signo, siginfo_t *info, void *context) {
	ucontext_t *uc = context;
	uintptr_t rip = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
	(void)signo;
	(void)info;
	alarms++;
	if (rip >= trap_start && rip < trap_end) inside++;
	if (rip >> 40 == 0x7f && rip >= 0x7ff000000000) inside++;
	__asm__ volatile("pxor %%xmm0,%%xmm0\n pxor %%xmm7,%%xmm7" ::: "xmm0", "xmm7");
}

static void find_trampolines(void) {
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512];
	while (maps != NULL && fgets(line, sizeof(line), maps) != NULL)
		if (strstr(line, "[usertrap]") != NULL) {
			trap_start = strtoul(line, NULL, 16);
			trap_end = strtoul(strchr(line, '-') + 1, NULL, 16);
			break;
		}
	if (maps != NULL) fclose(maps);
}

static void test_signals(void) {
	struct sigaction action = {.sa_sigaction = on_alarm, .sa_flags = SA_SIGINFO | SA_RESTART};
	CHECK(sigaction(SIGALRM, &action, NULL) == 0);
	CHECK(heat() == 0);
	find_trampolines();
	struct itimerval timer = {{0, 500}, {0, 500}};
	CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
	int wrong = 0;
	double value = 1.5;
	while (alarms < 300) {
		wrong += site_before() != getppid();
		wrong += site_between(1) != getppid();
		wrong += site_after(SYS_getppid, 0, 0, 0) != getppid();
		wrong += site_ret(SYS_getuid) != (long)getuid();
		value = value * 2 - 1.5;
		wrong += value != 1.5;
	}
	/* Calls that are interrupted and made again. */
	int fds[2];
	CHECK(pipe(fds) == 0);
	for (int i = 0; i < 30; i++) {
		fflush(stdout);
		char byte = 0;
		pid_t child = -1;
		if (i % 10 == 0) {
			child = fork();
			if (child == 0) {
				usleep(3000);
				_exit(write(fds[1], "x", 1) != 1);
			}
		} else
			wrong += write(fds[1], "x", 1) != 1;
		wrong += site_after(SYS_read, fds[0], (long)&byte, 1) != 1;
		wrong += byte != 'x';
		if (child > 0) {
			int status;
			while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
		}
	}
	timer = (struct itimerval){{0, 0}, {0, 0}};
	CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
	CHECK(wrong == 0);
	CHECK(inside == 0);
	say("signals: ok\n");
}

/* Whoever clears up its address space goes on. */
static void test_unmapping(void) {
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		for (int round = 0; round < 3; round++) {
			find_trampolines();
			if (trap_start != 0) {
				long result = site_after(SYS_munmap, (long)trap_start, (long)(trap_end - trap_start), 0);
				if (result != 0) _exit(2);
			}
			if (heat() != 0) _exit(1);
			trap_start = 0;
		}
		_exit(0);
	}
	int status;
	CHECK(waitpid(child, &status, 0) == child);
	CHECK(status == 0);
	say("unmapping: ok\n");
}

int main(int argc, char **argv) {
	CHECK(heat() == 0);
	if (argc == 2 && strcmp(argv[1], "again") == 0) return 0;
	CHECK(site_jump() == 0 || 1);
	CHECK(sum(sites_start, 0) == 1);
	test_signals();
	test_fork();
	test_exec();
	test_threads();
	test_rewriting();
	test_reading();
	test_unmapping();
	test_stepping();
	(void)set_trap_flag;
	return 0;
}

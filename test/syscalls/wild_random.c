// Random arguments to calls that cannot hurt a host, in children that may die of it; and stray stores all over the address space.
#include "check.h"

static uint64_t state = 88172645463325252UL;
static uint64_t next_random(void) {
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static char good[8192] __attribute__((aligned(4096)));

static long random_argument(void) {
	uint64_t r = next_random();
	switch (r % 12) {
	case 0: return 0;
	case 1: return -1;
	case 2: return (long)(next_random() % 16);
	case 3: return (long)(good + next_random() % sizeof good);
	case 4: return (long)good;
	case 5: return (long)next_random();
	case 6: return (long)(next_random() & 0x7fffffffffff);
	case 7: return (long)(next_random() & 0x7ffffffff000);
	case 8: return (long)KERNEL_HALF;
	case 9: return 1L << (next_random() % 64);
	case 10: return (1L << (next_random() % 63)) - 1;
	default: return (long)(next_random() % 100000);
	}
}

static uint64_t seed;
static void fuzz(void) {
	// Nothing here signals others, deletes, or changes the system; descriptors are a scratch file, a pipe, /dev/zero.
	static const int numbers[] = {SYS_read, SYS_pread64, SYS_readv, SYS_preadv, SYS_fstat, SYS_lseek, SYS_mprotect, SYS_munmap, SYS_mremap, SYS_madvise, SYS_mincore, SYS_msync, SYS_brk, SYS_dup, SYS_dup2, SYS_dup3, SYS_fcntl, SYS_getcwd, SYS_getdents64, SYS_uname, SYS_sysinfo, SYS_times, SYS_getrusage, SYS_gettimeofday, SYS_clock_gettime, SYS_clock_getres, SYS_getitimer, SYS_getrlimit, SYS_getgroups, SYS_getresuid, SYS_getresgid, SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigpending, SYS_sigaltstack, SYS_epoll_create1, SYS_epoll_ctl, SYS_eventfd2, SYS_timerfd_create, SYS_timerfd_settime, SYS_timerfd_gettime, SYS_signalfd4, SYS_pipe2, SYS_socketpair, SYS_getsockopt, SYS_setsockopt, SYS_getsockname, SYS_shutdown, SYS_sched_getaffinity, SYS_getcpu, SYS_getrandom, SYS_get_robust_list, SYS_set_robust_list, SYS_set_tid_address, SYS_statx, SYS_readlink, SYS_access, SYS_close, SYS_ftruncate, SYS_write, SYS_pwrite64, SYS_writev, SYS_prlimit64, SYS_mmap, SYS_arch_prctl, SYS_memfd_create};
	state = seed;
	struct rlimit cpu = {1, 1}, memory = {1UL << 32, 1UL << 32}, size = {1 << 20, 1 << 20};
	setrlimit(RLIMIT_CPU, &cpu);
	setrlimit(RLIMIT_AS, &memory);
	setrlimit(RLIMIT_FSIZE, &size);
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	alarm(2);
	close_range(0, 100, 0);
	int fds[2];
	(void)!open("/dev/zero", O_RDWR);
	(void)!open("scratch", O_RDWR | O_CREAT, 0600);
	(void)!open(".", O_RDONLY);
	(void)!pipe2(fds, O_NONBLOCK);
	for (int i = 0; i < 300; i++) {
		long number = numbers[next_random() % COUNT(numbers)], a[6];
		for (int k = 0; k < 6; k++) a[k] = random_argument();
		if (number == SYS_mmap) a[1] &= 0xffffff;
		if (number == SYS_prlimit64) a[0] = 0;
		if (number == SYS_fcntl && a[1] == F_SETOWN) continue;
		if (number == SYS_read && a[0] != 0 && a[0] != 1) continue;  // must not block
		syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	}
}

// Stores through the whole user half in coarse steps, and near this program's own mappings page by page, faults and all.
static void stray(void) {
	static unsigned long at;
	static volatile int hits;
	struct sigaction action = {.sa_sigaction = fault_handler, .sa_flags = SA_SIGINFO | SA_NODEFER};
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	for (at = 0x10000; at < 0x7fffffffe000; at += 0x3fffff000UL) {
		if (sigsetjmp(fault_jump, 0) == 0) {
			*(volatile unsigned char *)at = 0xff;
			hits++;
		}
	}
	for (int i = 0; i < 4000; i++) {
		at = next_random() & 0x7fffffffffff;
		// Not this program's own image, stack and heap: it wants to report.
		if (at < 0x100000000 || at > 0x7f0000000000) continue;
		if (sigsetjmp(fault_jump, 0) == 0) {
			*(volatile unsigned char *)at = 0xff;
			hits++;
		}
	}
	_exit(0);
}

int main(void) {
	int ended = 0;
	for (int round = 0; round < 40; round++) {
		seed = 1000003UL * (unsigned long)(round + 1);
		pid_t pid = fork();
		if (pid == 0) {
			fuzz();
			syscall(SYS_exit_group, 0);
		}
		reap(pid);
		ended++;
	}
	say("children that tried: %d\n", ended);
	int status = reap(spawn(stray));
	YES("stray stores: ended", WIFEXITED(status) || WIFSIGNALED(status));
	// The parent is whole.
	put("proof", "whole");
	say("%s\n", cat("proof"));
	return 0;
}

/* What a system call costs, by what is needed to answer it. */
#define _GNU_SOURCE
#include "micro.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int fd = -1, pipe_fds[2];
static char small[1];

static void getppid_run(long n) {
	for (long i = 0; i < n; i++) syscall(SYS_getppid);
}

static void getpid_run(long n) {
	for (long i = 0; i < n; i++) syscall(SYS_getpid);
}

static void umask_run(long n) {
	for (long i = 0; i < n; i++) syscall(SYS_umask, 022);
}

/* Compiled as its own instruction, not libc's: a site that looks different. */
static void inline_run(long n) {
	for (long i = 0; i < n; i++) {
		long result;
		__asm__ volatile("syscall" : "=a"(result) : "a"(SYS_getppid) : "rcx", "r11", "memory");
	}
}

static void bad_run(long n) {
	for (long i = 0; i < n; i++) syscall(SYS_close, -1);
}

static void vdso_run(long n) {
	struct timespec t;
	for (long i = 0; i < n; i++) clock_gettime(CLOCK_MONOTONIC, &t);
}

static void clock_run(long n) {
	struct timespec t;
	for (long i = 0; i < n; i++) syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &t);
}

static void yield_run(long n) {
	for (long i = 0; i < n; i++) syscall(SYS_sched_yield);
}

static void mask_run(long n) {
	sigset_t set;
	sigemptyset(&set);
	for (long i = 0; i < n; i++) sigprocmask(SIG_BLOCK, &set, NULL);
}

static void zero_begin(void) { fd = (int)must("/dev/zero", open("/dev/zero", O_RDONLY)); }
static void fd_end(void) { close(fd); }
static void read_run(long n) {
	for (long i = 0; i < n; i++) must("read", read(fd, small, 1));
}

static void pipe_begin(void) { must("pipe", pipe(pipe_fds)); }
static void pipe_end(void) {
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}
static void pipe_run(long n) {
	for (long i = 0; i < n; i++) {
		must("write", write(pipe_fds[1], small, 1));
		must("read", read(pipe_fds[0], small, 1));
	}
}

static void event_begin(void) { fd = (int)must("eventfd", eventfd(0, 0)); }
static void event_run(long n) {
	unsigned long value = 1;
	for (long i = 0; i < n; i++) {
		must("write", write(fd, &value, 8));
		must("read", read(fd, &value, 8));
	}
}

static void on_signal(int sig) { (void)sig; }
static void signal_begin(void) { signal(SIGUSR1, on_signal); }
static void signal_run(long n) {
	for (long i = 0; i < n; i++) raise(SIGUSR1);
}

static void sleep_run(long n) {
	struct timespec t = {0, 1000};
	for (long i = 0; i < n; i++) nanosleep(&t, NULL);
}

const struct row call_rows[] = {
	{"getppid", getppid_run, NULL, NULL, NULL, 0, 0},
	{"getppid, inline instruction", inline_run, NULL, NULL, NULL, 0, 0},
	{"getpid", getpid_run, NULL, NULL, NULL, 0, 0},
	{"umask", umask_run, NULL, NULL, NULL, 0, 0},
	{"close of a bad descriptor", bad_run, NULL, NULL, NULL, 0, 0},
	{"clock_gettime, vDSO", vdso_run, NULL, NULL, NULL, 0, 0},
	{"clock_gettime, system call", clock_run, NULL, NULL, NULL, 0, 0},
	{"sched_yield", yield_run, NULL, NULL, NULL, 0, 0},
	{"sigprocmask", mask_run, NULL, NULL, NULL, 0, 0},
	{"read 1 B of /dev/zero", read_run, zero_begin, NULL, fd_end, 0, 0},
	{"pipe write+read 1 B", pipe_run, pipe_begin, NULL, pipe_end, 0, 0},
	{"eventfd write+read", event_run, event_begin, NULL, fd_end, 0, 0},
	{"signal to oneself", signal_run, signal_begin, NULL, NULL, 0, 0},
	{"nanosleep 1 us", sleep_run, NULL, NULL, NULL, 0, 0},
};
const size_t call_count = COUNT(call_rows);

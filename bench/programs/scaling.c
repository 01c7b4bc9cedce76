// How the cost of an operation grows with how many there are: sleeping processes, descriptors in one epoll set, entries of a
// directory, mappings, timers.
//
//     gcc -O2 -o build/scaling bench/programs/scaling.c && build/scaling [MOST [WHAT...]]      natively
//     bin/tsvisor do -- build/scaling [MOST [WHAT...]]                                         in a sandbox
//
// WHAT: processes epoll directory mappings timers. Prints microseconds for each operation (means, or the
// lower quartile of single ones) at 100, 1,000, 10,000 ... and MOST
// (10,000; directories go to ten times as many).
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MORE 50

static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double started;
static void start(void) { started = now(); }
static void tell(const char *what, long count) { printf("  %s %.1f", what, (now() - started) / (double)count); }
// Runs the rest `count` times; tells the lowest quarter's time, which other work on the machine disturbs least.
static double samples[4096];
static int by_value(const void *a, const void *b) {
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}
static void tell_samples(const char *what, int count) {
	qsort(samples, (size_t)count, sizeof samples[0], by_value);
	printf("  %s %.1f", what, samples[count / 4]);
}
#define EACH(what, count, ...)               \
	for (int i = 0; i < (count); i++) {      \
		double before = now();               \
		__VA_ARGS__;                         \
		samples[i] = now() - before;         \
	}                                        \
	tell_samples(what, count)
static void must(int good, const char *what) {
	if (good) return;
	printf("\n%s: %s\n", what, strerror(errno));
	exit(1);
}

static void processes(long n) {
	pid_t *pids = malloc(sizeof *pids * (size_t)n);
	printf("processes %6ld:", n);
	start();
	for (long i = 0; i < n; i++) {
		pids[i] = fork();
		must(pids[i] >= 0, "fork");
		if (pids[i] == 0) {
			for (;;) pause();
		}
	}
	tell("fork", n);
	EACH("fork+exit+wait", MORE, {
		pid_t pid = fork();
		if (pid == 0) _exit(0);
		must(waitpid(pid, NULL, 0) == pid, "waitpid");
	});
	EACH("wait for nothing", 20 * MORE, waitpid(-1, NULL, WNOHANG));
	EACH("kill 0", 20 * MORE, kill(pids[i % n], 0));
	start();
	long entries = 0;
	DIR *proc = opendir("/proc");
	while (readdir(proc) != NULL) entries++;
	closedir(proc);
	tell("readdir /proc", entries);
	EACH("read stat", 4 * MORE, {
		char path[40], text[512];
		snprintf(path, sizeof path, "/proc/%d/stat", pids[i % n]);
		int fd = open(path, O_RDONLY);
		must(fd >= 0 && read(fd, text, sizeof text) > 0, path);
		close(fd);
	});
	int fds[2][2];
	char byte = 0;
	must(pipe(fds[0]) == 0 && pipe(fds[1]) == 0, "pipe");
	pid_t echo = fork();
	if (echo == 0) {
		close(fds[0][1]);
		while (read(fds[0][0], &byte, 1) == 1 && write(fds[1][1], &byte, 1) == 1) {
		}
		_exit(0);
	}
	EACH("round trip", 20 * MORE, must(write(fds[0][1], &byte, 1) == 1 && read(fds[1][0], &byte, 1) == 1, "pipe"));
	close(fds[0][1]);
	waitpid(echo, NULL, 0);
	start();
	for (long i = 0; i < n; i++) kill(pids[i], SIGKILL);
	for (long i = 0; i < n; i++) must(waitpid(pids[i], NULL, 0) == pids[i], "waitpid");
	tell("kill+wait", n);
	printf("\n");
	free(pids);
}

static void epoll(long n) {
	struct rlimit limit = {(rlim_t)n + 100, (rlim_t)n + 100};
	setrlimit(RLIMIT_NOFILE, &limit);
	int *fds = malloc(sizeof *fds * (size_t)n), set = epoll_create1(0);
	struct epoll_event event = {.events = EPOLLIN}, got[64];
	uint64_t one = 1;
	printf("epoll     %6ld:", n);
	start();
	for (long i = 0; i < n; i++) must((fds[i] = eventfd(0, EFD_NONBLOCK)) >= 0, "eventfd");
	tell("eventfd", n);
	start();
	for (long i = 0; i < n; i++) {
		event.data.fd = fds[i];
		must(epoll_ctl(set, EPOLL_CTL_ADD, fds[i], &event) == 0, "epoll_ctl");
	}
	tell("add", n);
	EACH("one event", 20 * MORE, {
		int fd = fds[(i * 7919L) % n];
		must(write(fd, &one, 8) == 8 && epoll_wait(set, got, 64, -1) == 1 && read(fd, &one, 8) == 8, "epoll_wait");
	});
	EACH("wait for nothing", 20 * MORE, must(epoll_wait(set, got, 64, 0) == 0, "epoll_wait"));
	struct pollfd *polled = malloc(sizeof *polled * (size_t)n);
	for (long i = 0; i < n; i++) polled[i] = (struct pollfd){fds[i], POLLIN, 0};
	start();
	for (int i = 0; i < 5; i++) must(poll(polled, (nfds_t)n, 0) == 0, "poll");
	tell("poll, each", 5 * n);
	EACH("dup+close", 20 * MORE, close(dup(fds[0])));
	start();
	for (long i = 0; i < n; i++) close(fds[i]);
	tell("close", n);
	printf("\n");
	close(set);
	free(fds);
	free(polled);
}

static void directory(long n) {
	char name[64], other[64];
	struct stat st;
	printf("directory %6ld:", n);
	must(mkdir("scaling.dir", 0755) == 0 && chdir("scaling.dir") == 0, "mkdir");
	start();
	for (long i = 0; i < n; i++) {
		snprintf(name, sizeof name, "file-%ld", i);
		int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0644);
		must(fd >= 0, name);
		close(fd);
	}
	tell("create", n);
	EACH("stat", 20 * MORE, {
		snprintf(name, sizeof name, "file-%ld", (i * 7919L) % n);
		must(stat(name, &st) == 0, name);
	});
	EACH("stat of nothing", 20 * MORE, must(stat("missing", &st) == -1, "stat"));
	start();
	long entries = 0;
	DIR *dir = opendir(".");
	while (readdir(dir) != NULL) entries++;
	closedir(dir);
	must(entries == n + 2, "readdir");
	tell("readdir", entries);
	EACH("first entries", 20, {
		dir = opendir(".");
		readdir(dir);
		closedir(dir);
	});
	EACH("two renames", 4 * MORE, {
		snprintf(name, sizeof name, "file-%ld", (i * 7919L) % n);
		snprintf(other, sizeof other, "new-%ld", (i * 7919L) % n);
		rename(name, other);
		rename(other, name);
	});
	start();
	for (long i = 0; i < n; i++) {
		snprintf(name, sizeof name, "file-%ld", i);
		must(unlink(name) == 0, name);
	}
	tell("unlink", n);
	printf("\n");
	must(chdir("..") == 0 && rmdir("scaling.dir") == 0, "rmdir");
}

static void mappings(long n) {
	long page = sysconf(_SC_PAGESIZE);
	printf("mappings  %6ld:", n);
	char *area = mmap(NULL, (size_t)(2 * n * page), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	must(area != MAP_FAILED, "mmap");
	start();
	for (long i = 0; i < n; i++) {
		char *at = area + 2 * i * page;
		must(mmap(at, (size_t)page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == at, "mmap");
	}
	tell("mmap", n);
	start();
	for (long i = 0; i < n; i++) area[2 * i * page] = 1;
	tell("touch", n);
	EACH("mprotect", MORE, must(mprotect(area + 2 * ((i * 7919L) % n) * page, (size_t)page, PROT_READ) == 0, "mprotect"));
	start();
	pid_t pid = fork();
	if (pid == 0) _exit(0);
	waitpid(pid, NULL, 0);
	tell("fork+exit, each", n);
	start();
	for (long i = 0; i < n; i++) must(munmap(area + 2 * i * page, (size_t)page) == 0, "munmap");
	tell("munmap", n);
	munmap(area, (size_t)(2 * n * page));
	printf("\n");
}

static void timers(long n) {
	struct rlimit limit = {(rlim_t)n + 100, (rlim_t)n + 100};
	setrlimit(RLIMIT_NOFILE, &limit);
	int *fds = malloc(sizeof *fds * (size_t)n);
	struct itimerspec far = {{0, 0}, {100000, 0}}, soon = {{0, 0}, {0, 1}};
	uint64_t times;
	printf("timers    %6ld:", n);
	for (long i = 0; i < n; i++) must((fds[i] = timerfd_create(CLOCK_MONOTONIC, 0)) >= 0, "timerfd");
	start();
	for (long i = 0; i < n; i++) {
		far.it_value.tv_sec = 100000 + (i * 7919L) % n;
		timerfd_settime(fds[i], 0, &far, NULL);
	}
	tell("set", n);
	EACH("expire", 4 * MORE, {
		timerfd_settime(fds[(i * 7919L) % n], 0, &soon, NULL);
		must(read(fds[(i * 7919L) % n], &times, 8) == 8, "read");
	});
	start();
	for (long i = 0; i < n; i++) close(fds[i]);
	tell("close", n);
	printf("\n");
	free(fds);
}

int main(int argc, char **argv) {
	static const struct {
		const char *name;
		void (*run)(long n);
		int times;
	} parts[] = {{"processes", processes, 1}, {"epoll", epoll, 1}, {"directory", directory, 10}, {"mappings", mappings, 1}, {"timers", timers, 1}};
	long most = argc > 1 ? atol(argv[1]) : 10000;
	setvbuf(stdout, NULL, _IONBF, 0);
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		int is_wanted = argc < 3;
		for (int k = 2; k < argc; k++) is_wanted |= strcmp(argv[k], parts[i].name) == 0;
		for (long n = 100; is_wanted && n <= most * parts[i].times; n = n * 10 > most * parts[i].times && n < most * parts[i].times ? most * parts[i].times : n * 10) parts[i].run(n);
	}
	return 0;
}

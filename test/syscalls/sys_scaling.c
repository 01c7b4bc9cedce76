// An operation among many processes, descriptors, directory entries, mappings or timers costs about what it costs among few. What is compared
// is the least of many, measured again when it looks grown, so that other work on the machine does not matter. bench/programs/scaling.c
// measures the same with larger numbers.
// timeout: 90
// skip-platform: ptrace (waiting for stops takes the host longer the more processes it traces)
#define CHECK_FILES 11000
#include "check.h"
#include <dirent.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <sys/utsname.h>

// What a cost may grow to: so many times, and some calls that do nothing, for the host's own. It has grown when it did so each time.
#define TIMES 4
#define MORE_CALLS 10
#define ATTEMPTS 5

static double now_us(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

#define LEAST(count, ...) \
	({ \
		double least = 1e9; \
		for (int i = 0; i < (count); i++) { \
			double before = now_us(); \
			__VA_ARGS__; \
			double took = now_us() - before; \
			if (took < least) least = took; \
		} \
		least; \
	})

// The least costs of the operations of one kind, in us.
static struct {
	const char *what;
	double least[2];
} costs[10];
static int cost_index, among_many, is_native;

static void cost(const char *what, double us) {
	int i = cost_index++;
	if (costs[i].what == NULL) {
		costs[i].what = what;
		costs[i].least[0] = costs[i].least[1] = 1e9;
	}
	if (us < costs[i].least[among_many]) costs[i].least[among_many] = us;
}

static int has_grown(int i, double call) { return costs[i].least[1] > TIMES * costs[i].least[0] + MORE_CALLS * call; }

// Measures the operations of `kind` among `few` and among `many`.
static void compare(void (*kind)(int), int few, int many) {
	memset(costs, 0, sizeof costs);
	// What Linux does itself is not the question: its wait looks at every child.
	for (int attempt = 0, grown = 1; grown > 0 && attempt < (is_native ? 1 : ATTEMPTS); attempt++) {
		for (among_many = 0; among_many < 2; among_many++) {
			cost_index = 0;
			kind(among_many ? many : few);
		}
		double call = LEAST(300, poll(NULL, 0, 0));
		grown = 0;
		for (int i = 0; i < cost_index; i++) grown += has_grown(i, call);
		if (grown > 0 && attempt < ATTEMPTS - 1 && !is_native) continue;
		for (int i = 0; i < cost_index; i++) {
			if (is_native || !has_grown(i, call)) say("%s: the same\n", costs[i].what);
			else say("%s: %.1f us among few, %.1f us among many\n", costs[i].what, costs[i].least[0], costs[i].least[1]);
		}
	}
}

static void processes(int n) {
	pid_t *pids = malloc(sizeof *pids * (size_t)n);
	for (int i = 0; i < n; i++) {
		pids[i] = fork();
		if (pids[i] < 0) die("fork");
		if (pids[i] == 0) {
			for (;;) pause();
		}
	}
	cost("waitpid, any", LEAST(300, waitpid(-1, NULL, WNOHANG)));
	cost("waitpid, one", LEAST(300, waitpid(pids[n / 2], NULL, WNOHANG)));
	cost("waitpid, group", LEAST(300, waitpid(0, NULL, WNOHANG)));
	cost("kill", LEAST(300, kill(pids[n / 2], 0)));
	cost("fork, exit, waitpid", LEAST(30, {
		pid_t pid = fork();
		if (pid == 0) _exit(0);
		if (waitpid(pid, NULL, 0) != pid) die("waitpid");
	}));
	cost("fork, exit, waitpid for any", LEAST(30, {
		if (fork() == 0) _exit(0);
		if (waitpid(-1, NULL, 0) < 0) die("waitpid");
	}));
	for (int i = 0; i < n; i++) kill(pids[i], SIGKILL);
	for (int i = 0; i < n; i++) reap(-1);
	free(pids);
}

static void descriptors(int n) {
	int *fds = malloc(sizeof *fds * (size_t)n), set = epoll_create1(0);
	struct epoll_event event = {.events = EPOLLIN}, got[4];
	uint64_t one = 1;
	for (int i = 0; i < n; i++) {
		fds[i] = eventfd(0, EFD_NONBLOCK);
		if (fds[i] < 0) die("eventfd");
		MUST(epoll_ctl(set, EPOLL_CTL_ADD, fds[i], &event));
	}
	cost("epoll_wait, nothing", LEAST(300, epoll_wait(set, got, 4, 0)));
	cost("epoll_wait, one event", LEAST(300, {
		int fd = fds[(i * 7919L) % n];
		if (write(fd, &one, 8) != 8 || epoll_wait(set, got, 4, 0) != 1 || read(fd, &one, 8) != 8) die("epoll_wait");
	}));
	cost("epoll_ctl", LEAST(300, {
		epoll_ctl(set, EPOLL_CTL_DEL, fds[n / 2], NULL);
		epoll_ctl(set, EPOLL_CTL_ADD, fds[n / 2], &event);
	}));
	cost("dup, close", LEAST(300, close(dup(fds[0]))));
	for (int i = 0; i < n; i++) close(fds[i]);
	close(set);
	free(fds);
}

static void entries(int n) {
	char name[32], other[32];
	struct stat st;
	MUST(mkdir("many", 0755));
	MUST(chdir("many"));
	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof name, "file-%d", i);
		int fd = open(name, O_CREAT | O_WRONLY, 0644);
		if (fd < 0) die("open");
		close(fd);
	}
	cost("stat", LEAST(300, {
		snprintf(name, sizeof name, "file-%ld", (i * 7919L) % n);
		if (stat(name, &st) != 0) die("stat");
	}));
	cost("stat, nothing", LEAST(300, stat("missing", &st)));
	cost("rename", LEAST(100, {
		snprintf(name, sizeof name, "file-%ld", (i * 7919L) % n);
		snprintf(other, sizeof other, "other-%ld", (i * 7919L) % n);
		if (rename(name, other) != 0 || rename(other, name) != 0) die("rename");
	}));
	cost("create, unlink", LEAST(100, {
		int fd = open("new", O_CREAT | O_EXCL | O_WRONLY, 0644);
		if (fd < 0 || close(fd) != 0 || unlink("new") != 0) die("create");
	}));
	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof name, "file-%d", i);
		unlink(name);
	}
	MUST(chdir(".."));
	MUST(rmdir("many"));
}

static void timers(int n) {
	int *fds = malloc(sizeof *fds * (size_t)n);
	struct itimerspec far = {{0, 0}, {100000, 0}};
	for (int i = 0; i < n; i++) {
		fds[i] = timerfd_create(CLOCK_MONOTONIC, 0);
		if (fds[i] < 0) die("timerfd_create");
		far.it_value.tv_sec = 100000 + (i * 7919L) % n;
		timerfd_settime(fds[i], 0, &far, NULL);
	}
	cost("timerfd_settime", LEAST(300, {
		far.it_value.tv_sec = 100000 + (i * 7907L) % n;
		timerfd_settime(fds[(i * 7919L) % n], 0, &far, NULL);
	}));
	for (int i = 0; i < n; i++) close(fds[i]);
	free(fds);
}

static void mappings(int n) {
	char *area = mmap(NULL, (size_t)(2 * n * PAGE), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	for (int i = 0; i < n; i++) {
		if (mmap(area + 2 * i * PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) die("mmap");
	}
	cost("mmap, munmap", LEAST(200, {
		char *p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED || munmap(p, PAGE) != 0) die("mmap");
	}));
	cost("mprotect", LEAST(200, {
		char *p = area + 2 * ((i * 7919L) % n) * PAGE;
		mprotect(p, PAGE, PROT_READ);
		mprotect(p, PAGE, PROT_READ | PROT_WRITE);
	}));
	munmap(area, (size_t)(2 * n * PAGE));
}

int main(void) {
	struct utsname u;
	MUST(uname(&u));
	is_native = strstr(u.release, "tsvisor") == NULL;
	struct rlimit files = {11000, 11000};
	MUST(setrlimit(RLIMIT_NOFILE, &files));
	compare(processes, 20, 2000);
	compare(descriptors, 100, 10000);
	compare(entries, 200, 20000);
	compare(timers, 100, 10000);
	compare(mappings, 20, 5000);
	return 0;
}

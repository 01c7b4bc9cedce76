// Ten thousand sleeping processes, ten thousand descriptors in one epoll set, a hundred thousand entries in a directory: all of it works,
// and what an operation costs among so many, compared with few, is told on standard error (sys_scaling.c has limits for smaller numbers).
// timeout: 180
// skip-platform: ptrace (waiting for stops takes the host longer the more processes it traces)
#define CHECK_FILES 11000
#include "check.h"
#include <dirent.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

static double now_us(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static struct {
	const char *what;
	double few;
} costs[40];
static int cost_index;

// The first round notes what one of `n` operations took, the second tells the relation.
static void cost(const char *what, double since, int n) {
	double us = (now_us() - since) / n;
	int i = cost_index++;
	if (costs[i].what == NULL) {
		costs[i].what = what;
		costs[i].few = us;
	} else fprintf(stderr, "%-32s %8.2f us among few, %8.2f us among many: x %.2f\n", what, costs[i].few, us, us / costs[i].few);
}

// Sleepers are told apart by their place.
static void processes(int n) {
	pid_t *pids = malloc(sizeof *pids * (size_t)n);
	int ready[2], wrong = 0;
	char byte;
	MUST(pipe(ready));
	double since = now_us();
	for (int i = 0; i < n; i++) {
		pids[i] = fork();
		if (pids[i] < 0) die("fork");
		if (pids[i] == 0) {
			if (write(ready[1], "", 1) != 1) _exit(1);
			for (;;) pause();
		}
	}
	cost("fork", since, n);
	for (int i = 0; i < n; i++) MUST(read(ready[0], &byte, 1));
	YES("nobody has ended", waitpid(-1, NULL, WNOHANG) == 0);

	since = now_us();
	for (int i = 0; i < n; i++) wrong += kill(pids[i], 0) != 0;
	cost("kill 0", since, n);
	const int some = 200;
	since = now_us();
	for (int i = 0; i < some; i++) {
		int status;
		pid_t pid = fork();
		if (pid == 0) _exit(i);
		if (waitpid(pid, &status, 0) != pid || status != W_EXITCODE(i, 0)) wrong++;
	}
	cost("fork, exit, wait for it", since, some);
	since = now_us();
	for (int i = 0; i < some; i++) {
		int status;
		pid_t pid = fork();
		if (pid == 0) _exit(i);
		if (waitpid(-1, &status, 0) != pid || status != W_EXITCODE(i, 0)) wrong++;
	}
	cost("fork, exit, wait for any", since, some);
	since = now_us();
	for (int i = 0; i < some; i++) wrong += waitpid(-1, NULL, WNOHANG) != 0;
	cost("wait for any, nobody", since, some);

	// Half of them in one order, then the others in the other one.
	since = now_us();
	for (int i = 0; i < n; i += 2) wrong += kill(pids[i], SIGKILL) != 0;
	for (int i = n - 1; i > 0; i -= 2) wrong += kill(pids[i], SIGKILL) != 0;
	cost("kill", since, n);
	since = now_us();
	long long sum = 0;
	for (int i = 0; i < n; i++) {
		int status;
		pid_t pid = waitpid(-1, &status, 0);
		if (pid < 0 || status != SIGKILL) wrong++;
		sum += pid;
	}
	cost("wait for one of the killed", since, n);
	for (int i = 0; i < n; i++) sum -= pids[i];
	YES("everybody once", sum == 0 && wrong == 0);
	SHOW(waitpid(-1, NULL, 0));
	YES("gone", kill(pids[0], 0) == -1 && errno == ESRCH);
	close(ready[0]);
	close(ready[1]);
	free(pids);
}

static void descriptors(int n) {
	int *fds = malloc(sizeof *fds * (size_t)n), set = epoll_create1(0), wrong = 0;
	struct epoll_event event = {.events = EPOLLIN}, got[4];
	uint64_t one = 1;
	double since = now_us();
	for (int i = 0; i < n; i++) MUST(fds[i] = eventfd(0, EFD_NONBLOCK));
	cost("eventfd", since, n);
	since = now_us();
	for (int i = 0; i < n; i++) {
		event.data.u32 = (uint32_t)i;
		MUST(epoll_ctl(set, EPOLL_CTL_ADD, fds[i], &event));
	}
	cost("epoll_ctl, add", since, n);
	since = now_us();
	for (int i = 0; i < 1000; i++) wrong += epoll_wait(set, got, 4, 0) != 0;
	cost("epoll_wait, nothing", since, 1000);
	since = now_us();
	for (int i = 0; i < 1000; i++) {
		uint32_t k = (uint32_t)(i * 7919L % n);
		wrong += write(fds[k], &one, 8) != 8 || epoll_wait(set, got, 4, -1) != 1 || got[0].data.u32 != k;
		wrong += read(fds[k], &one, 8) != 8;
	}
	cost("epoll_wait, one of them", since, 1000);
	// The ready ones of which the set hears no more do not count.
	for (int i = 0; i < n; i++) wrong += write(fds[i], &one, 8) != 8;
	since = now_us();
	for (int i = 0; i < n - 1; i++) wrong += epoll_ctl(set, EPOLL_CTL_DEL, fds[i], NULL) != 0;
	cost("epoll_ctl, delete", since, n);
	YES("only the last is left", epoll_wait(set, got, 4, 0) == 1 && got[0].data.u32 == (uint32_t)n - 1);
	since = now_us();
	for (int i = 0; i < n; i++) close(fds[i]);
	cost("close", since, n);
	YES("an empty set", epoll_wait(set, got, 4, 0) == 0 && wrong == 0);
	close(set);
	free(fds);
}

// Every name once. How many are wrong.
static int list(const char *path, int n) {
	char *seen = calloc((size_t)n, 1);
	int wrong = n;
	DIR *dir = opendir(path);
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		int i;
		if (entry->d_name[0] == '.') continue;
		if (sscanf(entry->d_name, "file-%d", &i) != 1 || i < 0 || i >= n || seen[i]++) wrong++;
		else wrong--;
	}
	closedir(dir);
	free(seen);
	return wrong;
}

static void entries(const char *path, int n) {
	char name[32];
	struct stat st;
	int wrong = 0, back = open(".", O_RDONLY);
	MUST(mkdir(path, 0755));
	MUST(chdir(path));
	double since = now_us();
	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof name, "file-%d", i);
		int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0644);
		if (fd < 0) die("open");
		close(fd);
	}
	cost("create", since, n);
	since = now_us();
	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof name, "file-%ld", i * 7919L % n);
		wrong += stat(name, &st) != 0 || !S_ISREG(st.st_mode);
	}
	cost("stat", since, n);
	since = now_us();
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof name, "other-%d", i);
		wrong += stat(name, &st) != -1 || errno != ENOENT;
	}
	cost("stat, nothing", since, 1000);
	since = now_us();
	wrong += list(".", n);
	cost("list", since, n);
	since = now_us();
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof name, "file-%ld", i * 7919L % n);
		wrong += rename(name, "other") != 0 || rename("other", name) != 0;
	}
	cost("rename", since, 1000);
	since = now_us();
	// Half of them in one order, then the others in the other one.
	for (int i = 0; i < n; i += 2) {
		snprintf(name, sizeof name, "file-%d", i);
		wrong += unlink(name) != 0;
	}
	for (int i = n - 1; i > 0; i -= 2) {
		snprintf(name, sizeof name, "file-%d", i);
		wrong += unlink(name) != 0;
	}
	cost("unlink", since, n);
	YES("all as it should be, and empty", wrong == 0 && list(".", 1) == 1);
	MUST(fchdir(back));
	close(back);
	MUST(rmdir(path));
}

int main(void) {
	char memory[64];
	snprintf(memory, sizeof memory, "/dev/shm/check-scaling-%d", (int)getpid());
	struct rlimit files = {11000, 11000};
	MUST(setrlimit(RLIMIT_NOFILE, &files));
	for (int round = 0; round < 2; round++) {
		cost_index = 0;
		processes(round == 0 ? 100 : 10000);
		descriptors(round == 0 ? 100 : 10000);
		entries("many", round == 0 ? 1000 : 100000);
		entries(memory, round == 0 ? 1000 : 100000);
	}
	return 0;
}

// getrlimit, setrlimit, prlimit64: values, rules for users, inheritance, NOFILE, FSIZE with SIGXFSZ, CPU with SIGXCPU, errors.
#include "check.h"

static volatile sig_atomic_t got;
static void handler(int sig) { got = sig; }

static void show(const char *label, int resource) {
	struct rlimit l;
	if (getrlimit(resource, &l) != 0) say("%s: %s\n", label, ename(errno));
	else say("%s: %ld %ld\n", label, (long)l.rlim_cur, (long)l.rlim_max);
}

static void over_fsize(void) {
	int fd = open("big", O_RDWR | O_CREAT | O_TRUNC, 0644);
	static char block[3000];
	signal(SIGXFSZ, SIG_DFL);
	(void)!write(fd, block, 3000);
	(void)!write(fd, block, 3000);
	(void)!write(fd, block, 3000);
}

static void over_cpu(void) {
	struct rlimit l = {1, 2};
	MUST(setrlimit(RLIMIT_CPU, &l));
	signal(SIGXCPU, SIG_DFL);
	for (volatile long i = 0;; i++) {
	}
}

int main(void) {
	struct rlimit l = {500, 600}, old;
	SHOW(setrlimit(RLIMIT_NOFILE, &l));
	show("NOFILE", RLIMIT_NOFILE);
	l.rlim_cur = 601;
	SHOW(setrlimit(RLIMIT_NOFILE, &l));
	l = (struct rlimit){100, 50};
	SHOW(setrlimit(RLIMIT_NOFILE, &l));
	l = (struct rlimit){10, 600};
	SHOW(prlimit(0, RLIMIT_NOFILE, &l, &old));
	say("old %ld %ld\n", (long)old.rlim_cur, (long)old.rlim_max);
	int opened = 0;
	while (open("/dev/null", O_RDONLY) >= 0) opened++;
	say("opened %d, then %s\n", opened, ename(errno));
	SHOW(dup2(0, 9));
	SHOW(dup2(0, 10));
	for (int i = 3; i < 10; i++) close(i);
	// A user may lower the hard limit and not raise it.
	pid_t pid = fork();
	if (pid == 0) {
		MUST(setresuid(1000, 1000, 1000));
		l = (struct rlimit){20, 100};
		SHOW(setrlimit(RLIMIT_NOFILE, &l));
		l.rlim_cur = 100;
		SHOW(setrlimit(RLIMIT_NOFILE, &l));
		l.rlim_max = 101;
		SHOW(setrlimit(RLIMIT_NOFILE, &l));
		show("user", RLIMIT_NOFILE);
		SHOW(prlimit(getppid(), RLIMIT_NOFILE, NULL, &old));
		_exit(0);
	}
	reap(pid);
	// Another process's.
	pid = fork();
	if (pid == 0) {
		for (;;) pause();
	}
	l = (struct rlimit){77, 88};
	SHOW(prlimit(pid, RLIMIT_NOFILE, &l, NULL));
	SHOW(prlimit(pid, RLIMIT_NOFILE, NULL, &old));
	say("child %ld %ld\n", (long)old.rlim_cur, (long)old.rlim_max);
	kill(pid, SIGKILL);
	reap(pid);
	SHOW(prlimit(4194303, RLIMIT_NOFILE, NULL, &old));
	SHOW(prlimit(0, 99, NULL, &old));
	SHOW(getrlimit(99, &old));
	SHOW(setrlimit(99, &l));
	SHOW(syscall(SYS_getrlimit, RLIMIT_NOFILE, WILD));
	SHOW(syscall(SYS_setrlimit, RLIMIT_NOFILE, WILD));
	// File size.
	l = (struct rlimit){5000, 100000};
	SHOW(setrlimit(RLIMIT_FSIZE, &l));
	int fd = open("f", O_RDWR | O_CREAT, 0644);
	static char block[8000];
	signal(SIGXFSZ, handler);
	SHOW(write(fd, block, 3000));
	SHOW(write(fd, block, 3000));
	say("signal %d\n", got);
	SHOW(write(fd, block, 1));
	say("%s\n", sname(got));
	got = 0;
	SHOW(pwrite(fd, block, 10, 4995));
	SHOW(pwrite(fd, block, 10, 5000));
	say("%s\n", sname(got));
	got = 0;
	SHOW(ftruncate(fd, 5001));
	say("%s\n", sname(got));
	SHOW(ftruncate(fd, 4000));
	signal(SIGXFSZ, SIG_IGN);
	SHOW(pwrite(fd, block, 10, 6000));
	// Not for pipes.
	int fds[2];
	MUST(pipe(fds));
	SHOW(write(fds[1], block, 8000));
	child("default action", over_fsize);
	struct stat st;
	MUST(stat("big", &st));
	say("size %ld\n", (long)st.st_size);
	// CPU seconds.
	child("CPU limit", over_cpu);
	// Inherited, kept over execve (see exec_attributes).
	pid = fork();
	if (pid == 0) {
		show("child FSIZE", RLIMIT_FSIZE);
		_exit(0);
	}
	reap(pid);
	l = (struct rlimit){RLIM_INFINITY, RLIM_INFINITY};
	getrlimit(RLIMIT_STACK, &old);
	YES("stack soft not above hard", old.rlim_cur <= old.rlim_max);
	return 0;
}

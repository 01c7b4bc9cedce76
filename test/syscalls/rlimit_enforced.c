// Every resource limit at its edge: what it refuses, with which errno or signal.
#include "check.h"
#include <mqueue.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

static void limit(int which, rlim_t value) {
	struct rlimit r = {value, value};
	MUST(setrlimit(which, &r));
}

static void user(void) { MUST(setresuid(12321, 12321, 12321)); }

static volatile int xcpu, xfsz;
static void on_xcpu(int sig) {
	(void)sig;
	xcpu++;
}
static void on_xfsz(int sig) {
	(void)sig;
	xfsz++;
}

static void cpu(void) {
	signal(SIGXCPU, on_xcpu);
	struct rlimit r = {1, 2};
	MUST(setrlimit(RLIMIT_CPU, &r));
	while (!xcpu) {
	}
	say("told\n");
	for (;;) {
	}
}

static void file_size(void) {
	signal(SIGXFSZ, on_xfsz);
	limit(RLIMIT_FSIZE, 1000);
	int fd = open("size", O_RDWR | O_CREAT | O_TRUNC, 0600);
	char buffer[2000] = {0};
	SHOW(write(fd, buffer, 600));
	SHOW(write(fd, buffer, 600));
	SHOW(write(fd, buffer, 600));
	say("signals %d\n", xfsz);
	SHOW(pwrite(fd, buffer, 1, 1000));
	SHOW(pwrite(fd, buffer, 10, 995));
	SHOW(ftruncate(fd, 1001));
	SHOW(truncate("size", 1000));
	SHOW(posix_fallocate(fd, 0, 2000));
	SHOW(fallocate(fd, 0, 0, 2000));
	say("signals %d\n", xfsz);
	signal(SIGXFSZ, SIG_DFL);
	write(fd, buffer, 2000);
	pwrite(fd, buffer, 1, 5000);
}

static void data(void) {
	limit(RLIMIT_DATA, 30 << 20);
	TRY(mmap(NULL, 40 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	TRY(mmap(NULL, 40 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	TRY(mmap(NULL, 40 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	TRY(sbrk(40 << 20));
	char *p = mmap(NULL, 40 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	SHOW(mprotect(p, 40 << 20, PROT_READ | PROT_WRITE));
	SHOW(mprotect(p, 10 << 20, PROT_READ | PROT_WRITE));
}

static void address_space(void) {
	limit(RLIMIT_AS, 100 << 20);
	TRY(mmap(NULL, 200 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	char *p = mmap(NULL, 50 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	YES("half of it", p != MAP_FAILED);
	TRY(mremap(p, 50 << 20, 150 << 20, MREMAP_MAYMOVE));
	TRY(sbrk(90 << 20));
}

static int deep(int n) {
	volatile char page[8192];
	memset((char *)page, n, sizeof page);
	return n == 0 ? page[5] : deep(n - 1) + page[9];
}

static void stack(void) {
	limit(RLIMIT_STACK, 512 << 10);
	deep(20);
	say("deep enough\n");
	deep(1000);
}

static void locked(void) {
	limit(RLIMIT_MEMLOCK, 3 * PAGE);
	user();
	char *p = anon(8 * PAGE);
	SHOW(mlock(p, 3 * PAGE));
	SHOW(mlock(p + 4 * PAGE, PAGE));
	SHOW(mlock(p, PAGE));
	SHOW(munlock(p, PAGE));
	SHOW(mlock(p + 4 * PAGE, PAGE));
	TRY(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0));
	SHOW(mlockall(MCL_CURRENT));
}

static void processes(void) {
	limit(RLIMIT_NPROC, 3);
	user();
	int n = 0;
	pid_t p[10];
	while (n < 10 && (p[n] = fork()) > 0) n++;
	if (n < 10 && p[n] == 0) {
		pause();
		_exit(0);
	}
	say("forked %d %s\n", n, ename(errno));
	while (n > 0) kill(p[--n], SIGKILL);
	while (wait(NULL) > 0) {
	}
}

static void descriptors(void) {
	limit(RLIMIT_NOFILE, 10);
	SHOW(dup2(0, 10));
	SHOW(dup2(0, 9));
	SHOW(fcntl(0, F_DUPFD, 10));
	SHOW(fcntl(0, F_DUPFD, 9));
	while (dup(0) >= 0) {
	}
	say("%s\n", ename(errno));
	SHOW(open("/dev/null", O_RDONLY));
	int pair[2];
	SHOW(pipe(pair));
	SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	SHOW(eventfd(0, 0));
	SHOW(socket(AF_UNIX, SOCK_STREAM, 0));
	close(9);
	SHOW(pipe(pair));
	SHOW(open("/dev/null", O_RDONLY));
}

static void signals(void) {
	limit(RLIMIT_SIGPENDING, 3);
	user();
	sigset_t set;
	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	union sigval v = {.sival_int = 1};
	for (int i = 0; i < 5; i++) SHOW(sigqueue(getpid(), SIGRTMIN, v));
	SHOW(kill(getpid(), SIGUSR1));
	SHOW(kill(getpid(), SIGRTMIN + 1));
	timer_t timer;
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 2};
	SHOW(timer_create(CLOCK_MONOTONIC, &ev, &timer));
	sigpending(&set);
	say("pending %d %d %d\n", sigismember(&set, SIGRTMIN), sigismember(&set, SIGUSR1), sigismember(&set, SIGRTMIN + 1));
}

static void queues(void) {
	limit(RLIMIT_MSGQUEUE, 20000);
	user();
	struct mq_attr a = {.mq_maxmsg = 10, .mq_msgsize = 100};
	TRY(mq_open("/rlimit_enforced", O_CREAT | O_RDWR, 0600, &a));
	mq_unlink("/rlimit_enforced");
	a.mq_msgsize = 4000;
	TRY(mq_open("/rlimit_enforced", O_CREAT | O_RDWR, 0600, &a));
}

int main(void) {
	MUST(chmod(".", 0777));
	child("cpu", cpu);
	child("file size", file_size);
	child("data", data);
	child("address space", address_space);
	child("stack", stack);
	child("locked", locked);
	child("processes", processes);
	child("descriptors", descriptors);
	child("signals", signals);
	child("queues", queues);
	return 0;
}

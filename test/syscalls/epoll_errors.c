// epoll: what is refused; nesting and loops; polling an epoll descriptor; epoll_pwait; sharing over fork.
#include "check.h"
#include <poll.h>
#include <sys/epoll.h>

static volatile sig_atomic_t ran;
static void handler(int sig) {
	(void)sig;
	ran++;
}

int main(void) {
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = 5}, out[4];
	int fds[2];
	MUST(pipe(fds));
	SHOW(epoll_create(0));
	SHOW(epoll_create1(0x1));
	int ep = epoll_create(1), second = epoll_create1(0);
	SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, 99, &event));
	SHOW(epoll_ctl(99, EPOLL_CTL_ADD, fds[0], &event));
	SHOW(epoll_ctl(fds[0], EPOLL_CTL_ADD, fds[1], &event));
	SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, ep, &event));
	SHOW(epoll_ctl(ep, EPOLL_CTL_MOD, fds[0], &event));
	SHOW(epoll_ctl(ep, EPOLL_CTL_DEL, fds[0], NULL));
	SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, fds[0], WILD));
	SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, fds[0], &event));
	SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, fds[0], &event));
	int copy = dup(fds[0]);
	SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, copy, &event));
	SHOW(epoll_ctl(ep, 99, fds[0], &event));
	put("f", "");
	SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, open("f", O_RDWR), &event));
	SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, open(".", O_RDONLY), &event));
	SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, open("f", O_PATH), &event));
	SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, open("/dev/null", O_RDWR), &event));
	SHOW(epoll_wait(ep, out, 0, 0));
	SHOW(syscall(SYS_epoll_wait, ep, out, -1, 0));
	SHOW(epoll_wait(99, out, 4, 0));
	SHOW(epoll_wait(fds[0], out, 4, 0));
	SHOW(epoll_wait(ep, out, 4, 0));
	MUST(write(fds[1], "x", 1));
	SHOW(epoll_wait(ep, WILD, 4, 0));
	SHOW(epoll_wait(ep, out, 4, 0));
	// An epoll descriptor is readable when it has something; it can be watched.
	struct pollfd poller = {ep, POLLIN, 0};
	SHOW(poll(&poller, 1, 0));
	event.data.u64 = 6;
	SHOW(epoll_ctl(second, EPOLL_CTL_ADD, ep, &event));
	SHOW(epoll_wait(second, out, 4, 0));
	say("data %lu\n", (unsigned long)out[0].data.u64);
	SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, second, &event));
	char c;
	MUST(read(fds[0], &c, 1));
	SHOW(poll(&poller, 1, 0));
	SHOW(epoll_wait(second, out, 4, 0));
	// Deep nesting is refused at some depth.
	int chain[10], refused = 0;
	for (int i = 0; i < 10; i++) {
		chain[i] = epoll_create1(0);
		if (i > 0 && epoll_ctl(chain[i], EPOLL_CTL_ADD, chain[i - 1], &event) < 0) refused = errno;
	}
	say("deep: %s\n", ename(refused));
	SHOW(read(ep, &c, 1));
	SHOW(write(ep, &c, 1));
	SHOW(lseek(ep, 0, SEEK_SET));
	// epoll_pwait: the mask counts while waiting.
	sigset_t block, none;
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	sigemptyset(&none);
	signal(SIGUSR1, handler);
	sigprocmask(SIG_BLOCK, &block, NULL);
	raise(SIGUSR1);
	SHOW(epoll_pwait(ep, out, 4, 10, NULL));
	say("ran %d\n", ran);
	SHOW(epoll_pwait(ep, out, 4, 5000, &none));
	say("ran %d\n", ran);
	SHOW(syscall(SYS_epoll_pwait, ep, out, 4, 0, &none, 4));
	struct timespec zero = {0, 0}, bad = {0, -1};
	SHOW(syscall(SYS_epoll_pwait2, ep, out, 4, &zero, NULL, 8));
	SHOW(syscall(SYS_epoll_pwait2, ep, out, 4, &bad, NULL, 8));
	// Shared by fork: one set for both.
	pid_t pid = fork();
	if (pid == 0) _exit(epoll_ctl(ep, EPOLL_CTL_DEL, fds[0], NULL) == 0 ? 0 : 1);
	say("child deleted: %s\n", wname(reap(pid)));
	SHOW(epoll_ctl(ep, EPOLL_CTL_DEL, fds[0], NULL));
	SHOW(epoll_ctl(ep, EPOLL_CTL_DEL, copy, NULL));
	return 0;
}

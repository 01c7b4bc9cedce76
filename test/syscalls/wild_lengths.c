// Huge, negative and edge lengths: what is cut, what is refused; buffers that end at the end of memory.
#include "check.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

int main(void) {
	// Two good pages with nothing behind them, at an address to which a terabyte can be added.
	char *good = mmap((void *)0x200000000000, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (good != (char *)0x200000000000) die("mmap");
	MUST(mprotect(good + 2 * PAGE, PAGE, PROT_NONE));
	char *end = good + 2 * PAGE;
	memset(good, 'g', 2 * PAGE);
	put("f", "0123456789");
	int f = open("f", O_RDWR), out = open("out", O_RDWR | O_CREAT, 0644), fds[2], pair[2];
	MUST(pipe2(fds, O_NONBLOCK));
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair));
	SHOW(syscall(SYS_pread64, f, good, 1L << 40, 0));
	SHOW(syscall(SYS_pread64, f, good, -1L, 0));
	SHOW(syscall(SYS_pread64, f, good, 1L << 62, 0));
	SHOW(syscall(SYS_pread64, f, end - 4, 10, 0));
	SHOW(syscall(SYS_pread64, f, end, 10, 0));
	say("%.4s\n", end - 4);
	SHOW(syscall(SYS_pwrite64, out, good, 1L << 40, 0));
	SHOW(syscall(SYS_pwrite64, out, good, -1L, 0));
	SHOW(syscall(SYS_pwrite64, out, end - 5, 100, 0));
	SHOW(syscall(SYS_pwrite64, out, end, 1, 0));
	SHOW(syscall(SYS_write, fds[1], good, -1L));
	SHOW(syscall(SYS_write, fds[1], end - 3, 3));
	SHOW(syscall(SYS_read, fds[0], end - 3, 3));
	SHOW(syscall(SYS_read, fds[0], good, -1L));
	SHOW(syscall(SYS_sendto, pair[0], good, -1L, 0, 0, 0));
	MUST(write(pair[0], "abc", 3));
	SHOW(syscall(SYS_recvfrom, pair[1], end - 2, 2, 0, 0, 0));
	SHOW(syscall(SYS_recvfrom, pair[1], good, 1L << 40, 0, 0, 0));
	struct iovec iov[3] = {{good, (size_t)1 << 62}, {good, (size_t)1 << 62}, {good, (size_t)1 << 62}};
	SHOW(syscall(SYS_preadv, f, iov, 3, 0));
	iov[0].iov_len = (size_t)-1;
	SHOW(syscall(SYS_preadv, f, iov, 1, 0));
	iov[0].iov_len = 5;
	SHOW(syscall(SYS_preadv, f, iov, -1L, 0));
	MUST(symlink("target", "l"));
	SHOW(syscall(SYS_readlink, "l", good, 0x7fffffffL));
	SHOW(syscall(SYS_readlink, "l", good, -1L));
	SHOW(syscall(SYS_readlink, "l", end - 3, 3));
	SHOW(syscall(SYS_readlink, "l", end - 3, 100));
	SHOW(syscall(SYS_getcwd, good, 1L << 40) > 0);
	SHOW(syscall(SYS_getcwd, good, -1L) > 0);
	SHOW(syscall(SYS_poll, good, 0xffffffffL, 0));
	SHOW(syscall(SYS_select, 0x7fffffff, 0, 0, 0, &(struct timeval){0, 0}));
	int ep = epoll_create1(0);
	SHOW(syscall(SYS_epoll_wait, ep, good, 0x7fffffff, 0));
	SHOW(syscall(SYS_epoll_wait, ep, good, 0x7fffffff / 12, 0));
	SHOW(syscall(SYS_setgroups, 0x7fffffff, good));
	SHOW(syscall(SYS_getgroups, 0x7fffffff, good) >= 0);
	SHOW(syscall(SYS_rt_sigprocmask, 0, 0, good, 1L << 40));
	SHOW(syscall(SYS_sched_getaffinity, 0, 7, good));
	SHOW(syscall(SYS_sched_getaffinity, 0, -1, good));
	SHOW(syscall(SYS_setsockopt, pair[0], SOL_SOCKET, SO_PASSCRED, good, -1));
	SHOW(syscall(SYS_setsockopt, pair[0], SOL_SOCKET, SO_PASSCRED, good, 1));
	SHOW(syscall(SYS_bind, pair[0], good, -1));
	SHOW(syscall(SYS_bind, pair[0], good, 0x7fffffff));
	socklen_t length = (socklen_t)-1;
	SHOW(syscall(SYS_getsockname, pair[0], good, &length));
	length = 0;
	SHOW(syscall(SYS_getsockname, pair[0], good, &length));
	say("length %u\n", length);
	struct msghdr message;
	memset(&message, 0, sizeof message);
	message.msg_iov = iov;
	message.msg_iovlen = (size_t)-1;
	SHOW(sendmsg(pair[0], &message, 0));
	message.msg_iovlen = 1;
	message.msg_control = good;
	message.msg_controllen = (size_t)-1;
	SHOW(sendmsg(pair[0], &message, 0));
	memset(good, 0, 64);
	message.msg_controllen = 32;
	SHOW(sendmsg(pair[0], &message, 0));
	// Strings that end exactly at the end of memory, and ones that do not end.
	memcpy(end - 2, "f", 2);
	SHOW(access(end - 2, F_OK));
	memcpy(end - 2, "ff", 2);
	SHOW(access(end - 2, F_OK));
	SHOW(prctl(PR_SET_NAME, end - 2));
	memset(good, 'p', 2 * PAGE);
	SHOW(access(good, F_OK));
	SHOW(access(end - 4095, F_OK));
	SHOW(access(end - 255, F_OK));
	SHOW(syscall(SYS_execve, end - 2, 0, 0));
	// Descriptor numbers.
	static const int numbers[] = {-1, -100, 1024, 65536, 0x7fffffff, (int)0x80000000};
	for (size_t i = 0; i < COUNT(numbers); i++) {
		int n = numbers[i];
		char c;
		say("fd %d:", n);
		say(" read %s", read(n, &c, 1) < 0 ? ename(errno) : "ok");
		say(" close %s", close(n) < 0 ? ename(errno) : "ok");
		say(" dup %s", dup(n) < 0 ? ename(errno) : "ok");
		say(" dup2 %s", dup2(0, n) < 0 ? ename(errno) : "ok");
		say(" fcntl %s", fcntl(n, F_GETFD) < 0 ? ename(errno) : "ok");
		say(" fstat %s", syscall(SYS_fstat, n, good) < 0 ? ename(errno) : "ok");
		say(" mmap %s\n", mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, n, 0) == MAP_FAILED ? ename(errno) : "ok");
	}
	return 0;
}

// process_vm_readv, process_vm_writev, kcmp, pidfd_getfd: across processes, with protections, short transfers, permissions.
#include "check.h"
#include <grp.h>
#include <linux/kcmp.h>
#include <sys/epoll.h>
#include <sys/uio.h>

static char *area;
static pid_t pid, me;
static int report[2], go[2];

static void sleeper(void) {
	area[0] = 'C';
	mprotect(area + PAGE, PAGE, PROT_READ);
	mprotect(area + 2 * PAGE, PAGE, PROT_NONE);
	MUST(write(report[1], "r", 1));
	char c;
	MUST(read(go[0], &c, 1));
	_exit(area[5] == 'w' ? 3 : 4);
}

static void other_user(void) {
	MUST(setgroups(0, NULL));
	MUST(setgid(1));
	MUST(setuid(1));
	char c;
	struct iovec l = {&c, 1}, r = {area, 1};
	SHOW(process_vm_readv(pid, &l, 1, &r, 1, 0));
	SHOW(syscall(SYS_kcmp, me, pid, KCMP_VM, 0, 0));
	int p = (int)syscall(SYS_pidfd_open, pid, 0);
	TRY(syscall(SYS_pidfd_getfd, p, 1, 0));
}

static int same(pid_t a, pid_t b, int type, long x, long y) {
	long r = syscall(SYS_kcmp, a, b, type, x, y);
	return r < 0 ? -errno : r != 0;
}

int main(void) {
	me = getpid();
	MUST(pipe(report));
	MUST(pipe(go));
	area = anon(4 * PAGE);
	memset(area, 'p', 4 * PAGE);
	char local[3 * PAGE];
	pid = spawn(sleeper);
	char c;
	MUST(read(report[0], &c, 1));

	struct iovec l[2] = {{local, 3}, {local + 100, 10}}, r[2] = {{area, 5}, {area + 10, 8}};
	SHOW(process_vm_readv(pid, l, 2, r, 2, 0));
	say("%.3s %.10s\n", local, local + 100);
	struct iovec one = {local, sizeof local}, far = {area + PAGE - 10, sizeof local};
	SHOW(process_vm_readv(pid, &one, 1, &far, 1, 0));
	struct iovec hidden = {area + 2 * PAGE, 10};
	SHOW(process_vm_readv(pid, &one, 1, &hidden, 1, 0));
	local[0] = 'w';
	struct iovec byte = {local, 1}, there = {area + 5, 1}, read_only = {area + PAGE, 1};
	SHOW(process_vm_writev(pid, &byte, 1, &there, 1, 0));
	SHOW(process_vm_writev(pid, &byte, 1, &read_only, 1, 0));
	struct iovec wild = {WILD, 10}, low = {LOW, 10};
	SHOW(process_vm_readv(pid, &one, 1, &low, 1, 0));
	SHOW(process_vm_readv(pid, &low, 1, &there, 1, 0));
	SHOW(process_vm_readv(pid, &one, 1, &wild, 1, 0));
	SHOW(process_vm_readv(pid, &one, 1, &there, 1, 1));
	SHOW(process_vm_readv(pid, &one, 1025, &there, 1, 0));
	SHOW(process_vm_readv(pid, WILD, 1, &there, 1, 0));
	SHOW(process_vm_readv(pid, &one, 1, WILD, 1, 0));
	SHOW(process_vm_readv(pid, NULL, 0, NULL, 0, 0));
	SHOW(process_vm_readv(4194000, &one, 1, &there, 1, 0));

	// kcmp
	SHOW(same(me, me, KCMP_VM, 0, 0));
	SHOW(same(me, pid, KCMP_VM, 0, 0));
	SHOW(same(me, pid, KCMP_FILES, 0, 0));
	SHOW(same(me, pid, KCMP_FS, 0, 0));
	SHOW(same(me, pid, KCMP_SIGHAND, 0, 0));
	SHOW(same(me, pid, KCMP_SYSVSEM, 0, 0));
	SHOW(same(me, pid, KCMP_FILE, 1, 1));
	int copy = dup(1), file = open("f", O_RDWR | O_CREAT, 0600), again = open("f", O_RDWR);
	SHOW(same(me, me, KCMP_FILE, 1, copy));
	SHOW(same(me, me, KCMP_FILE, file, again));
	long forth = syscall(SYS_kcmp, me, me, KCMP_FILE, file, again), back = syscall(SYS_kcmp, me, me, KCMP_FILE, again, file);
	YES("an order", forth + back == 3);
	SHOW(same(me, me, KCMP_FILE, 1, 999));
	SHOW(same(me, 4194000, KCMP_VM, 0, 0));
	SHOW(same(me, me, 99, 0, 0));
	int ep = epoll_create1(0);
	struct epoll_event event = {EPOLLIN, {0}};
	MUST(epoll_ctl(ep, EPOLL_CTL_ADD, report[0], &event));
	struct kcmp_epoll_slot slot = {(unsigned)ep, (unsigned)report[0], 0};
	SHOW(same(me, me, KCMP_EPOLL_TFD, report[0], (long)&slot));
	SHOW(same(me, me, KCMP_EPOLL_TFD, go[0], (long)&slot));
	slot.toff = 1;
	SHOW(same(me, me, KCMP_EPOLL_TFD, report[0], (long)&slot));
	slot.efd = 1;
	SHOW(same(me, me, KCMP_EPOLL_TFD, report[0], (long)&slot));

	// pidfd_getfd
	int p = (int)syscall(SYS_pidfd_open, pid, 0);
	int got = (int)syscall(SYS_pidfd_getfd, p, go[0], 0);
	YES("a descriptor of the other", got >= 0);
	SHOW(fcntl(got, F_GETFD));
	SHOW(same(me, pid, KCMP_FILE, got, go[0]));
	SHOW(syscall(SYS_pidfd_getfd, p, 999, 0));
	SHOW(syscall(SYS_pidfd_getfd, p, 0, 1));
	SHOW(syscall(SYS_pidfd_getfd, 1, 0, 0));
	child("other user", other_user);
	MUST(write(go[1], "g", 1));
	say("child %s\n", wname(reap(pid)));
	SHOW(syscall(SYS_pidfd_getfd, p, 0, 0));
	return 0;
}

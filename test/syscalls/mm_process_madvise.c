// process_madvise(2): advice for oneself and for others, what it may be, rights, errors. membarrier(2): commands and registration.
#include "check.h"
#include <linux/membarrier.h>
#include <sys/uio.h>

static int fd;
static struct iovec v[2];

static void unprivileged(void) {
	MUST(setuid(65534));
	SHOW(syscall(SYS_process_madvise, fd, v, 1, MADV_COLD, 0));
}

static long barrier(int command, unsigned flags) { return syscall(SYS_membarrier, command, flags, 0); }

int main(void) {
	char *p = anon(6 * PAGE);
	memset(p, 7, 6 * PAGE);
	MUST(munmap(p + 4 * PAGE, PAGE));
	pid_t other = fork();
	if (other == 0) {
		for (;;) pause();
	}
	fd = (int)syscall(SYS_pidfd_open, other, 0);
	int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	MUST(fd);
	MUST(self);
	v[0] = (struct iovec){p, PAGE};
	v[1] = (struct iovec){p + 2 * PAGE, 2 * PAGE};
	SHOW(syscall(SYS_process_madvise, self, v, 2, MADV_COLD, 0));
	SHOW(syscall(SYS_process_madvise, self, v, 2, MADV_WILLNEED, 0));
	SHOW(syscall(SYS_process_madvise, fd, v, 2, MADV_COLD, 0));
	SHOW(syscall(SYS_process_madvise, fd, v, 1, MADV_PAGEOUT, 0));
	SHOW(syscall(SYS_process_madvise, fd, v, 1, MADV_DONTNEED, 0));
	SHOW(syscall(SYS_process_madvise, fd, v, 1, MADV_HUGEPAGE, 0));
	SHOW(syscall(SYS_process_madvise, fd, v, 1, 12345, 0));
	SHOW(syscall(SYS_process_madvise, fd, v, 1, MADV_COLD, 1));
	SHOW(syscall(SYS_process_madvise, 99, v, 1, MADV_COLD, 0));
	SHOW(syscall(SYS_process_madvise, 1, v, 1, MADV_COLD, 0));
	SHOW(syscall(SYS_process_madvise, fd, WILD, 1, MADV_COLD, 0));
	SHOW(syscall(SYS_process_madvise, fd, v, 1025, MADV_COLD, 0));
	SHOW(syscall(SYS_process_madvise, fd, v, 0, MADV_COLD, 0));
	v[1].iov_base = p + 4 * PAGE;
	SHOW(syscall(SYS_process_madvise, fd, v, 2, MADV_COLD, 0));
	say("kept %d\n", p[0]);
	child("unprivileged", unprivileged);
	kill(other, SIGKILL);
	reap(other);
	SHOW(syscall(SYS_process_madvise, fd, v, 1, MADV_COLD, 0));

	long known = barrier(MEMBARRIER_CMD_QUERY, 0);
	YES("the plain commands", (known & 31) == 31);
	SHOW(barrier(MEMBARRIER_CMD_QUERY, 1));
	SHOW(barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0));
	SHOW(barrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0));
	SHOW(barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0));
	SHOW(barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 1));
	pid_t pid = fork();
	if (pid == 0) {
		SHOW(barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0));
		_exit(0);
	}
	reap(pid);
	SHOW(barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0));
	SHOW(barrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0));
	SHOW(barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0));
	SHOW(barrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0));
	SHOW(barrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0));
	SHOW(barrier(MEMBARRIER_CMD_GLOBAL, 0));
	SHOW(barrier(3, 0));
	SHOW(barrier(1 << 20, 0));
	SHOW(barrier(-1, 0));
	return 0;
}

// Process descriptors: pidfd_open, poll, pidfd_send_signal, waitid(P_PIDFD), and their errors.
#include "check.h"
#include <poll.h>

static void sleeper(void) {
	for (;;) pause();
}

int main(void) {
	pid_t pid = spawn(sleeper);
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	YES("opened", fd >= 0);
	SHOW(fcntl(fd, F_GETFD));
	struct pollfd poller = {fd, POLLIN, 0};
	SHOW(poll(&poller, 1, 0));
	SHOW(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
	SHOW(syscall(SYS_pidfd_send_signal, fd, SIGSTOP, NULL, 0));
	siginfo_t info;
	memset(&info, 0, sizeof info);
	SHOW(waitid(P_PIDFD, (id_t)fd, &info, WSTOPPED));
	say("%d %s\n", info.si_code == CLD_STOPPED, sname(info.si_status));
	SHOW(syscall(SYS_pidfd_send_signal, fd, SIGCONT, NULL, 0));
	SHOW(waitid(P_PIDFD, (id_t)fd, &info, WCONTINUED));
	SHOW(waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG));
	SHOW(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0));
	SHOW(poll(&poller, 1, 5000));
	say("revents %#x\n", poller.revents);
	SHOW(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
	SHOW(syscall(SYS_pidfd_send_signal, fd, 65, NULL, 0));
	SHOW(syscall(SYS_pidfd_send_signal, fd, SIGTERM, (siginfo_t *)8, 0));
	SHOW(waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOWAIT));
	SHOW(waitid(P_PIDFD, (id_t)fd, &info, WEXITED));
	say("%d %s\n", info.si_code == CLD_KILLED, sname(info.si_status));
	SHOW(waitid(P_PIDFD, (id_t)fd, &info, WEXITED));
	SHOW(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
	SHOW(syscall(SYS_pidfd_send_signal, fd, 65, NULL, 0));
	SHOW(syscall(SYS_pidfd_send_signal, fd, SIGTERM, (siginfo_t *)8, 0));
	SHOW(syscall(SYS_pidfd_open, pid, 0));
	SHOW(syscall(SYS_pidfd_open, 0, 0));
	SHOW(syscall(SYS_pidfd_open, -1, 0));
	SHOW(syscall(SYS_pidfd_open, getpid(), 0x4000000));
	SHOW(syscall(SYS_pidfd_send_signal, 99, SIGTERM, NULL, 0));
	SHOW(syscall(SYS_pidfd_send_signal, 1, SIGTERM, NULL, 0));
	SHOW(waitid(P_PIDFD, 99, &info, WEXITED));
	SHOW(waitid(P_PIDFD, 1, &info, WEXITED));
	int own = (int)syscall(SYS_pidfd_open, getpid(), 0);
	SHOW(syscall(SYS_pidfd_send_signal, own, 65, NULL, 0));
	SHOW(syscall(SYS_pidfd_send_signal, own, 0, NULL, 0x100));
	char c;
	SHOW(read(own, &c, 1));
	SHOW(waitid(P_PIDFD, (id_t)own, &info, WEXITED));
	return 0;
}

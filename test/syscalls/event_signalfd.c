// signalfd: pending signals as records, several in one read, values and senders, mask changes, poll, errors.
#include "check.h"
#include <poll.h>
#include <sys/signalfd.h>

int main(void) {
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGRTMIN);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGKILL);  // silently left out
	sigprocmask(SIG_BLOCK, &set, NULL);
	int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	YES("made", fd >= 0);
	SHOW(fcntl(fd, F_GETFD));
	struct signalfd_siginfo info[4];
	SHOW(read(fd, info, sizeof info));
	struct pollfd p = {fd, POLLIN, 0};
	SHOW(poll(&p, 1, 0));
	kill(getpid(), SIGUSR1);
	union sigval value = {.sival_int = 321};
	sigqueue(getpid(), SIGRTMIN, value);
	SHOW(poll(&p, 1, 0));
	SHOW(read(fd, info, sizeof info) / (ssize_t)sizeof info[0]);
	say("%s code %d pid %s uid %u\n", sname((int)info[0].ssi_signo), info[0].ssi_code, yes((pid_t)info[0].ssi_pid == getpid()), info[0].ssi_uid);
	say("%s code %d value %d\n", sname((int)info[1].ssi_signo), info[1].ssi_code, info[1].ssi_int);
	SHOW(read(fd, info, sizeof info));
	SHOW(read(fd, info, 10));
	pid_t pid = fork();
	if (pid == 0) _exit(9);
	SHOW(poll(&p, 1, 5000));
	SHOW(read(fd, info, sizeof info) == (ssize_t)sizeof info[0]);
	say("%s code %d status %d from the child %s\n", sname((int)info[0].ssi_signo), info[0].ssi_code, info[0].ssi_status, yes((pid_t)info[0].ssi_pid == pid));
	reap(pid);
	// Another mask for the same descriptor.
	sigset_t only;
	sigemptyset(&only);
	sigaddset(&only, SIGUSR2);
	SHOW(signalfd(fd, &only, 0) == fd);
	raise(SIGUSR1);
	SHOW(read(fd, info, sizeof info));
	raise(SIGUSR2);
	SHOW(read(fd, info, sizeof info) == (ssize_t)sizeof info[0]);
	say("%s\n", sname((int)info[0].ssi_signo));
	// Read by the child of a fork: it gets its own signals.
	pid = fork();
	if (pid == 0) {
		SHOW(read(fd, info, sizeof info));
		raise(SIGUSR2);
		SHOW(read(fd, info, sizeof info) == (ssize_t)sizeof info[0]);
		_exit(0);
	}
	reap(pid);
	// A blocking read is woken by a signal that comes later.
	int blocking = signalfd(-1, &only, 0);
	pid_t parent = getpid();
	pid = fork();
	if (pid == 0) {
		sleep_ms(30);
		kill(parent, SIGUSR2);
		_exit(0);
	}
	SHOW(read(blocking, info, sizeof info) == (ssize_t)sizeof info[0]);
	say("from the child %s\n", yes((pid_t)info[0].ssi_pid == pid));
	reap(pid);
	SHOW(write(fd, info, sizeof info));
	SHOW(signalfd(-1, &set, 0x100));
	SHOW(signalfd(0, &set, 0));
	SHOW(signalfd(99, &set, 0));
	SHOW(syscall(SYS_signalfd4, -1, &set, 4, 0));
	SHOW(syscall(SYS_signalfd4, -1, WILD, 8, 0));
	raise(SIGUSR2);
	SHOW(read(fd, WILD, sizeof info));
	return 0;
}

// fork(2): what is copied, what is shared, what is new in the child.
#include "check.h"

static void handler(int sig) { (void)sig; }

int main(void) {
	put("file", "0123456789");
	int fd = open("file", O_RDWR), value = 1;
	pid_t parent = getpid();
	MUST(lseek(fd, 2, SEEK_SET));
	signal(SIGUSR1, handler);
	sigset_t set, old;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR2);
	struct itimerval timer = {{0, 0}, {50, 0}};
	setitimer(ITIMER_REAL, &timer, NULL);
	alarm(60);
	pid_t pid = fork();
	if (pid == 0) {
		YES("child: pid differs", getpid() != parent);
		YES("child: parent is the parent", getppid() == parent);
		YES("child: same group", getpgrp() == getpgid(parent));
		YES("child: same session", getsid(0) == getsid(parent));
		say("child: offset %ld\n", (long)lseek(fd, 0, SEEK_CUR));
		char c;
		MUST(read(fd, &c, 1));
		say("child: read %c\n", c);
		sigprocmask(SIG_SETMASK, NULL, &old);
		YES("child: mask inherited", sigismember(&old, SIGUSR2) == 1);
		sigpending(&old);
		YES("child: nothing pending", sigismember(&old, SIGUSR2) == 0);
		struct sigaction action;
		sigaction(SIGUSR1, NULL, &action);
		YES("child: handler inherited", action.sa_handler == handler);
		struct itimerval now;
		getitimer(ITIMER_REAL, &now);
		YES("child: no timer", now.it_value.tv_sec == 0 && now.it_value.tv_usec == 0);
		say("child: alarm(0) %u\n", alarm(0));
		value = 2;
		MUST(fcntl(fd, F_SETFL, O_APPEND));
		close(fd);
		MUST(chdir("/"));
		umask(077);
		_exit(7);
	}
	say("child: %s\n", wname(reap(pid)));
	YES("parent: fork returned a pid", pid > 0);
	say("parent: value %d, offset %ld\n", value, (long)lseek(fd, 0, SEEK_CUR));
	YES("parent: O_APPEND set by the child", fcntl(fd, F_GETFL) & O_APPEND);
	YES("parent: own directory", access("file", F_OK) == 0);
	say("parent: umask %03o\n", umask(022));
	YES("parent: alarm still there", alarm(0) > 0);
	// Writes of both sides go behind one another through the shared offset.
	int out = open("out", O_RDWR | O_CREAT | O_TRUNC, 0644);
	for (int i = 0; i < 5; i++) {
		pid = fork();
		if (pid == 0) {
			char c = (char)('a' + i);
			_exit(write(out, &c, 1) == 1 ? 0 : 1);
		}
		reap(pid);
		char c = (char)('A' + i);
		MUST(write(out, &c, 1));
	}
	say("%s\n", cat("out"));
	SHOW(waitpid(-1, NULL, WNOHANG));
	return 0;
}

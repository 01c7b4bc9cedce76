// vfork(2): the parent waits until the child ends or execs; memory is shared until then; descriptors are not.
#include "check.h"

static volatile int shared;

int main(int argc, char **argv) {
	if (argc > 1) {
		sleep_ms(150);
		return 3;
	}
	long before = now_ms();
	int fd = dup(1);
	pid_t pid = vfork();
	if (pid == 0) {
		shared = 42;
		struct timespec t = {0, 60000000};
		nanosleep(&t, NULL);
		close(fd);
		_exit(5);
	}
	YES("parent waited", now_ms() - before >= 59);
	say("shared %d\n", shared);
	YES("descriptor still open", fcntl(fd, F_GETFD) == 0);
	say("child: %s\n", wname(reap(pid)));
	// execve releases the parent at once.
	before = now_ms();
	pid = vfork();
	if (pid == 0) {
		execv("/proc/self/exe", (char *[]){argv[0], "child", NULL});
		_exit(1);
	}
	int status;
	YES("child still runs", waitpid(pid, &status, WNOHANG) == 0);
	say("child: %s\n", wname(reap(pid)));
	YES("took its time", now_ms() - before >= 149);
	// A failing execve leaves the child in the shared memory.
	pid = vfork();
	if (pid == 0) {
		execv("missing", argv);
		shared = errno;
		_exit(127);
	}
	say("child: %s, errno %s\n", wname(reap(pid)), ename(shared));
	// Death by a signal releases the parent too.
	pid = vfork();
	if (pid == 0) {
		kill(getpid(), SIGKILL);
		_exit(1);
	}
	say("child: %s\n", wname(reap(pid)));
	// The parent cannot be stopped from getting signals: they come after.
	signal(SIGUSR1, SIG_IGN);
	pid_t parent = getpid();
	pid = vfork();
	if (pid == 0) {
		kill(parent, SIGUSR1);
		_exit(0);
	}
	say("child: %s\n", wname(reap(pid)));
	// A hundred in a row.
	static int sum, i;
	for (i = 0; i < 100; i++) {
		pid = vfork();
		if (pid == 0) _exit(i & 15);
		sum += WEXITSTATUS(reap(pid));
	}
	say("sum %d\n", sum);
	return 0;
}

// Orphans: they go to the nearest subreaper, which can wait for them; PR_SET_PDEATHSIG comes when the parent ends.
#include "check.h"

static int fds[2];

static void grandchild_maker(void) {
	pid_t first = getpid(), pid = fork();
	if (pid == 0) {
		while (getppid() == first) sched_yield();
		char c = getppid() == atoi(getenv("REAPER")) ? 'y' : 'n';
		if (write(fds[1], &c, 1) != 1) _exit(1);
		_exit(33);
	}
	_exit(22);
}

static void death_signal(void) {
	pid_t parent = getpid(), pid = fork();
	if (pid == 0) {
		sigset_t set;
		sigemptyset(&set);
		sigaddset(&set, SIGUSR1);
		sigprocmask(SIG_BLOCK, &set, NULL);
		MUST(prctl(PR_SET_PDEATHSIG, SIGUSR1));
		if (write(fds[1], "r", 1) != 1) _exit(1);
		siginfo_t info;
		struct timespec limit = {5, 0};
		int sig = sigtimedwait(&set, &info, &limit);
		char c = sig != SIGUSR1 ? 'n' : info.si_code == SI_USER && info.si_pid == parent ? 's' : '?';
		if (write(fds[1], &c, 1) != 1) _exit(1);
		_exit(0);
	}
	char c;
	if (read(fds[0], &c, 1) != 1) _exit(1);
	_exit(0);
}

int main(void) {
	char text[16], c;
	MUST(pipe(fds));
	SHOW(prctl(PR_SET_CHILD_SUBREAPER, 1));
	snprintf(text, sizeof text, "%d", (int)getpid());
	setenv("REAPER", text, 1);
	pid_t pid = spawn(grandchild_maker);
	say("child: %s\n", wname(reap(pid)));
	MUST(read(fds[0], &c, 1));
	say("orphan's parent is the subreaper: %c\n", c);
	int status;
	pid_t orphan = wait(&status);
	YES("another pid", orphan > 0 && orphan != pid);
	say("orphan: %s\n", wname(status));
	SHOW(wait(&status));
	// A subreaper further up is passed over for a nearer one; the attribute is not inherited.
	int is = -1;
	pid = fork();
	if (pid == 0) {
		prctl(PR_GET_CHILD_SUBREAPER, &is);
		say("inherited: %d\n", is);
		_exit(0);
	}
	reap(pid);
	pid = spawn(death_signal);
	say("parent of the one with a death signal: %s\n", wname(reap(pid)));
	MUST(read(fds[0], &c, 1));
	say("death signal: %c\n", c);
	say("it ended: %s\n", wait(&status) > 0 ? wname(status) : ename(errno));
	SHOW(prctl(PR_SET_PDEATHSIG, 65));
	SHOW(prctl(PR_SET_PDEATHSIG, -1));
	SHOW(prctl(PR_SET_PDEATHSIG, 0));
	return 0;
}

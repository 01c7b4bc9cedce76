// setsid(2), getsid(2): a group leader may not, a new session leads its own group and has no terminal.
#include "check.h"

static void leader_fails(void) {
	MUST(setpgid(0, 0));
	SHOW(setsid());
	// A child of the leader may; the group of the parent remains.
	pid_t pid = fork();
	if (pid == 0) {
		pid_t old = getsid(0);
		YES("setsid", setsid() == getpid());
		YES("session changed", getsid(0) != old && getsid(0) == getpid());
		YES("group leader", getpgrp() == getpid());
		SHOW(setsid());
		SHOW(open("/dev/tty", O_RDWR));
		_exit(0);
	}
	reap(pid);
}

// A pid that is still the id of a group may not become a session although the process left that group.
static void old_group_lives(void) {
	MUST(setpgid(0, 0));
	pid_t group = getpgrp(), session = getsid(0);
	pid_t member = fork();
	if (member == 0) {
		for (;;) pause();
	}
	pid_t helper = fork();
	if (helper == 0) {
		MUST(setpgid(0, 0));
		for (;;) pause();
	}
	setpgid(helper, helper);
	SHOW(setpgid(0, helper));
	YES("left the group", getpgrp() == helper);
	SHOW(setsid());
	kill(member, SIGKILL);
	reap(member);
	YES("after the last member ended", setsid() == getpid());
	YES("new session", getsid(0) != session && getsid(0) == group);
	kill(helper, SIGKILL);
	reap(helper);
}

int main(void) {
	YES("getsid(0) is getsid(own pid)", getsid(0) == getsid(getpid()));
	SHOW(getsid(4194303));
	SHOW(getsid(-3));
	child("leader", leader_fails);
	child("old group", old_group_lives);
	// The session of a child is the parent's, also after the leader ended.
	int fds[2];
	MUST(pipe(fds));
	pid_t pid = fork();
	if (pid == 0) {
		setsid();
		pid_t leader = getpid();
		if (fork() == 0) {
			while (getppid() == leader) sched_yield();
			char c = getsid(0) == leader && getpgrp() == leader ? 'y' : 'n';
			if (write(fds[1], &c, 1) != 1) _exit(1);
			_exit(0);
		}
		_exit(0);
	}
	reap(pid);
	char c;
	MUST(read(fds[0], &c, 1));
	say("session outlives its leader: %c\n", c);
	return 0;
}

// setpgid(2) and getpgid(2): who may move whom, and when; after execve; across sessions.
#include "check.h"

static int to_child[2], to_parent[2];

static void sleeper(void) {
	for (;;) pause();
}

int main(int argc, char **argv) {
	if (argc > 1) {
		if (write(1, "x", 1) != 1) return 1;
		sleeper();
	}
	YES("getpgrp is getpgid(0)", getpgrp() == getpgid(0));
	YES("getpgid of the parent works", getpgid(getppid()) >= 0);
	SHOW(getpgid(4194303));
	SHOW(getpgid(-1));
	SHOW(setpgid(4194303, 0));
	SHOW(setpgid(0, -1));
	SHOW(setpgid(-1, 0));
	SHOW(setpgid(getppid(), 0));
	// A process makes its own group; another joins; a third may not join a group that does not exist.
	pid_t a = spawn(sleeper), b = spawn(sleeper);
	SHOW(setpgid(b, a));
	SHOW(setpgid(a, 0));
	YES("a leads", getpgid(a) == a);
	SHOW(setpgid(a, a));
	SHOW(setpgid(b, a));
	YES("b joined", getpgid(b) == a);
	SHOW(setpgid(b, b));
	YES("b leads", getpgid(b) == b);
	SHOW(setpgid(b, getpgrp()));
	YES("b is back", getpgid(b) == getpgrp());
	kill(a, SIGKILL);
	reap(a);
	SHOW(setpgid(b, a));
	kill(b, SIGKILL);
	reap(b);
	// Not after execve.
	MUST(pipe(to_parent));
	pid_t pid = fork();
	if (pid == 0) {
		dup2(to_parent[1], 1);
		execv("/proc/self/exe", (char *[]){argv[0], "child", NULL});
		_exit(1);
	}
	char c;
	MUST(read(to_parent[0], &c, 1));
	SHOW(setpgid(pid, 0));
	kill(pid, SIGKILL);
	reap(pid);
	// A child in another session cannot be moved, and a session leader cannot move at all.
	MUST(pipe(to_child));
	pid = fork();
	if (pid == 0) {
		YES("setsid", setsid() == getpid());
		say("leader: setpgid %s\n", setpgid(0, 0) == 0 ? "ok" : ename(errno));
		if (write(to_parent[1], "x", 1) != 1) _exit(1);
		if (read(to_child[0], &c, 1) != 1) _exit(1);
		_exit(0);
	}
	MUST(read(to_parent[0], &c, 1));
	SHOW(setpgid(pid, 0));
	SHOW(setpgid(pid, getpgrp()));
	YES("getsid of the child", getsid(pid) == pid);
	YES("getpgid of the child", getpgid(pid) == pid);
	MUST(write(to_child[1], "x", 1));
	say("child: %s\n", wname(reap(pid)));
	// Not a child at all: a grandchild.
	pid = fork();
	if (pid == 0) {
		pid_t grandchild = spawn(sleeper);
		if (write(to_parent[1], &grandchild, sizeof grandchild) != sizeof grandchild) _exit(1);
		if (read(to_child[0], &c, 1) != 1) _exit(1);
		kill(grandchild, SIGKILL);
		reap(grandchild);
		_exit(0);
	}
	pid_t grandchild;
	MUST(read(to_parent[0], &grandchild, sizeof grandchild));
	SHOW(setpgid(grandchild, 0));
	MUST(write(to_child[1], "x", 1));
	reap(pid);
	return 0;
}

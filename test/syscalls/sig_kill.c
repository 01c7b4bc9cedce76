// kill(2): to a process, a group, signal 0, zombies, permissions after dropping privileges, bad numbers.
#include "check.h"

static volatile sig_atomic_t got;
static void handler(int sig) {
	(void)sig;
	got++;
}

static void sleeper(void) {
	for (;;) pause();
}

int main(void) {
	signal(SIGUSR1, handler);
	SHOW(kill(getpid(), 0));
	SHOW(kill(getpid(), 65));
	SHOW(kill(getpid(), -1));
	SHOW(kill(4194303, SIGUSR1));
	SHOW(kill(4194303, 0));
	SHOW(kill(4194303, 65));
	SHOW(kill(-4194303, 65));
	SHOW(kill(INT_MIN, 65));
	SHOW(kill(0, 65));
	SHOW(syscall(SYS_tkill, 4194303, 65));
	SHOW(syscall(SYS_tgkill, 4194303, 4194303, 65));
	SHOW(syscall(SYS_tgkill, getpid(), 4194303, 65));
	SHOW(syscall(SYS_tgkill, getpid(), getpid(), 65));
	SHOW(kill(-4194303, SIGUSR1));
	SHOW(kill(INT_MIN, SIGUSR1));
	SHOW(kill(getpid(), SIGUSR1));
	say("handled before kill returned: %d\n", got);
	// The whole group, the sender included.
	pid_t leader = fork();
	if (leader == 0) {
		setpgid(0, 0);
		got = 0;
		pid_t a = spawn(sleeper), b = spawn(sleeper);
		signal(SIGTERM, handler);
		kill(0, SIGTERM);
		say("sender too: %d\n", got);
		// They may not have run at all before: default action all the same (the handler was set after fork).
		say("a %s, b ", wname(reap(a)));
		say("%s\n", wname(reap(b)));
		_exit(0);
	}
	say("leader: %s\n", wname(reap(leader)));
	pid_t a = spawn(sleeper), b = spawn(sleeper);
	setpgid(a, a);
	setpgid(b, a);
	SHOW(kill(-a, 0));
	SHOW(kill(-a, SIGINT));
	say("a %s, b ", wname(reap(a)));
	say("%s\n", wname(reap(b)));
	SHOW(kill(-a, SIGINT));
	// A zombie can be signalled without effect.
	pid_t zombie = fork();
	if (zombie == 0) _exit(3);
	siginfo_t info;
	waitid(P_PID, (id_t)zombie, &info, WEXITED | WNOWAIT);
	SHOW(kill(zombie, 0));
	SHOW(kill(zombie, SIGKILL));
	say("zombie: %s\n", wname(reap(zombie)));
	SHOW(kill(zombie, 0));
	// Permissions: same real or saved id, or privilege; SIGCONT within the session is always allowed.
	pid_t root_child = spawn(sleeper);
	int ready[2];
	char c = 'r';
	MUST(pipe(ready));
	pid_t user_child = fork();
	if (user_child == 0) {
		MUST(setresuid(1000, 1000, 1000));
		MUST(write(ready[1], &c, 1));
		sleeper();
	}
	pid_t pid = fork();
	if (pid == 0) {
		MUST(read(ready[0], &c, 1));
		MUST(setresuid(1001, 1000, 1001));
		say("other's, by effective id: %s\n", kill(user_child, 0) == 0 ? "ok" : ename(errno));
		MUST(setresuid(1001, 1001, 1001));
		say("other's: %s\n", kill(user_child, 0) == 0 ? "ok" : ename(errno));
		say("root's: %s\n", kill(root_child, SIGTERM) == 0 ? "ok" : ename(errno));
		say("root's, SIGCONT in the session: %s\n", kill(root_child, SIGCONT) == 0 ? "ok" : ename(errno));
		say("missing: %s\n", kill(4194303, SIGTERM) == 0 ? "ok" : ename(errno));
		say("self: %s\n", kill(getpid(), 0) == 0 ? "ok" : ename(errno));
		_exit(0);
	}
	reap(pid);
	kill(root_child, SIGKILL);
	kill(user_child, SIGKILL);
	reap(root_child);
	say("user child: %s\n", wname(reap(user_child)));
	// SIGKILL beats blocking, ignoring is refused.
	pid = fork();
	if (pid == 0) {
		sigset_t all;
		sigfillset(&all);
		sigprocmask(SIG_BLOCK, &all, NULL);
		for (;;) {
		}
	}
	kill(pid, SIGKILL);
	say("busy and blocking everything: %s\n", wname(reap(pid)));
	return 0;
}

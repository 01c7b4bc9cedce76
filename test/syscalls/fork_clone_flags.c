// clone(2): CLONE_VM, CLONE_FILES, CLONE_FS, CLONE_SIGHAND, CLONE_PARENT and exit signals, one by one; the combinations that are refused.
#include "check.h"

static char stack[1 << 16] __attribute__((aligned(16)));
static volatile int value;
static int fd_made;

static int work(void *argument) {
	(void)argument;
	value = 7;
	fd_made = open("/dev/null", O_RDONLY);
	dup2(fd_made, 40);
	(void)!chdir("sub");
	umask(077);
	signal(SIGUSR1, SIG_IGN);
	return 11;
}

static void run(const char *label, int flags) {
	value = 0;
	signal(SIGUSR1, SIG_DFL);
	umask(022);
	close(40);
	int status = -1;
	pid_t pid = clone(work, stack + sizeof stack, flags, NULL);
	if (pid < 0) {
		say("%s: %s\n", label, ename(errno));
		return;
	}
	pid_t got = waitpid(pid, &status, __WALL);
	struct sigaction action;
	sigaction(SIGUSR1, NULL, &action);
	char cwd[PATH_MAX];
	if (getcwd(cwd, sizeof cwd) == NULL) die("getcwd");
	char *last = strrchr(cwd, '/');
	say("%s: waited %s, %s; memory %d, descriptor %s, moved %s, umask %03o, ignores %s\n", label, yes(got == pid), wname(status), value, yes(fcntl(40, F_GETFD) >= 0), yes(strcmp(last, "/sub") == 0), umask(022), yes(action.sa_handler == SIG_IGN));
	if (strcmp(last, "/sub") == 0) MUST(chdir(".."));
}

static const char *raw(unsigned long flags) {
	long pid = syscall(SYS_clone, flags, 0, 0, 0, 0);
	if (pid == 0) _exit(0);
	if (pid < 0) return ename(errno);
	int status;
	waitpid((pid_t)pid, &status, __WALL);
	return "ok";
}

static volatile sig_atomic_t got_signal;
static void note(int sig) { got_signal = sig; }

int main(void) {
	MUST(mkdir("sub", 0755));
	run("none", SIGCHLD);
	run("VM", CLONE_VM | SIGCHLD);
	run("FILES", CLONE_FILES | SIGCHLD);
	run("FS", CLONE_FS | SIGCHLD);
	run("VM SIGHAND", CLONE_VM | CLONE_SIGHAND | SIGCHLD);
	run("VM FILES FS SIGHAND", CLONE_VM | CLONE_FILES | CLONE_FS | CLONE_SIGHAND | SIGCHLD);
	run("VFORK VM", CLONE_VFORK | CLONE_VM | SIGCHLD);
	run("VFORK", CLONE_VFORK | SIGCHLD);
	run("UNTRACED PTRACE", CLONE_UNTRACED | CLONE_PTRACE | SIGCHLD);
	say("SIGHAND without VM: %s\n", raw(CLONE_SIGHAND | SIGCHLD));
	say("THREAD without SIGHAND: %s\n", raw(CLONE_THREAD | CLONE_VM | SIGCHLD));
	say("THREAD SIGHAND without VM: %s\n", raw(CLONE_THREAD | CLONE_SIGHAND | SIGCHLD));
	say("FS NEWNS: %s\n", raw(CLONE_FS | CLONE_NEWNS | SIGCHLD));
	say("PIDFD PARENT_SETTID: %s\n", raw(CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD));
	say("plain: %s\n", raw(SIGCHLD));
	say("exit signal 0: %s\n", raw(0));
	// Exit signals other than SIGCHLD: a "clone child", which plain waitpid does not see.
	signal(SIGUSR2, note);
	int status;
	pid_t pid = (pid_t)syscall(SYS_clone, SIGUSR2, 0, 0, 0, 0);
	if (pid == 0) _exit(4);
	while (got_signal == 0) sched_yield();
	say("exit signal: %s\n", sname(got_signal));
	SHOW(waitpid(pid, &status, 0));
	YES("with __WCLONE", waitpid(pid, &status, __WCLONE) == pid);
	say("%s\n", wname(status));
	pid = fork();
	if (pid == 0) _exit(0);
	SHOW(waitpid(pid, &status, __WCLONE));
	YES("with __WALL", waitpid(pid, &status, __WALL) == pid);
	// CLONE_PARENT makes a sibling.
	int fds[2];
	MUST(pipe(fds));
	pid_t me = getpid();
	pid = fork();
	if (pid == 0) {
		pid_t sibling = (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
		if (sibling == 0) {
			while (getppid() != me) sched_yield();
			_exit(21);
		}
		say("maker waits: %s\n", waitpid(sibling, NULL, 0) < 0 ? ename(errno) : "ok");
		if (write(fds[1], &sibling, sizeof sibling) != sizeof sibling) _exit(1);
		_exit(0);
	}
	pid_t sibling;
	if (read(fds[0], &sibling, sizeof sibling) != sizeof sibling) die("read");
	say("maker: %s\n", wname(reap(pid)));
	say("sibling: %s\n", wname(reap(sibling)));
	return 0;
}

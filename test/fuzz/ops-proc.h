// What /proc says of descriptors and processes, and what can be done through it; descriptors of processes, capabilities, limits.
#include "interp.h"
#include <linux/kcmp.h>
#include <linux/sched.h>

static void fd_name(char *name, size_t size, const char *what, int fd) { snprintf(name, size, "self/%s/%d", what, fd); }
// Numbers within the text are the file system's.
static void say_masked(const char *text) {
	const char *hash = strstr(text, "/#"), *outside = strstr(text, "/cwd/s");
	// Links of /proc have a process's number in them; what lies outside of the root, the name of the run.
	if (strncmp(text, "/proc/", 6) == 0) {
		say("/proc\n");
		return;
	}
	if (outside != NULL) text = outside + 5 + strcspn(outside + 5, "/");
	if (hash != NULL) say("%.*s/#\n", (int)(hash - text), text);
	else if (strchr(text, '[') != NULL && strspn(strchr(text, '[') + 1, "0123456789") > 0) say("%.*s[]\n", (int)(strchr(text, '[') - text), text);
	else say("%.60s\n", text);
}
static void say_link(const char *name) {
	static char target[5000];
	long got = readlinkat(FD_PROC, name, target, sizeof target - 1);
	if (got == -1) {
		result(-1);
		return;
	}
	target[got] = 0;
	say_masked(target);
}
static void op_fdlink(struct op *op) {
	char name[40];
	fd_name(name, sizeof name, "fd", FD(0));
	if (FD(0) >= FD_PROGRAM) say("no\n");
	else say_link(name);
}
static void op_placelink(struct op *op) { say_link(ARG(0) ? "self/root" : "self/cwd"); }
// reopen FD FLAGS: through /proc.
static void op_reopen(struct op *op) {
	char name[40];
	fd_name(name, sizeof name, "fd", FD(0));
	// Whether those without a path can be opened anew depends on the version.
	char target[8];
	long got = readlinkat(FD_PROC, name, target, sizeof target);
	if (FD(0) >= FD_PROGRAM || (got > 0 && target[0] != '/' && memcmp(target, "pipe:", 5) != 0 && memcmp(target, "socket", 6) != 0)) say("no\n");
	else result(openat(FD_PROC, name, FD(1) | O_NONBLOCK, 0600));
}
// linkfd FD PATH FLAGS: gives a file another name, through /proc or AT_EMPTY_PATH.
static void op_linkfd(struct op *op) {
	char name[40];
	fd_name(name, sizeof name, "fd", FD(0));
	if (FD(0) >= FD_PROGRAM) say("no\n");
	else result(linkat(FD_PROC, name, AT_FDCWD, PATH(1), FD(2)));
}
// Acts on a descriptor's file through its name in /proc: fd, what, value
static void op_byname(struct op *op) {
	char name[40];
	struct stat st;
	fd_name(name, sizeof name, "fd", FD(0));
	if (FD(0) >= FD_PROGRAM || (fstat(FD(0), &st) == 0 && (st.st_mode & S_IFMT) == 0)) {
		say("no\n");
		return;
	}
	if (ARG(1) == 0) result(fchmodat(FD_PROC, name, (mode_t)ARG(2), 0));
	else if (ARG(1) == 1) result(faccessat(FD_PROC, name, FD(2) & 7, 0));
	else if (ARG(1) == 2) result(unlinkat(FD_PROC, name, 0));
	else if (fstatat(FD_PROC, name, &st, 0) == -1) result(-1);
	else say_stat(&st);
}
static int starts(const char *line, const char *const *names) {
	for (; *names != NULL; names++) {
		if (strncmp(line, *names, strlen(*names)) == 0) return 1;
	}
	return 0;
}
static void say_lines(const char *name, const char *const *wanted) {
	char line[512];
	int fd = openat(FD_PROC, name, O_RDONLY | O_CLOEXEC);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	if (file == NULL) {
		say("%s\n", ename(errno));
		if (fd >= 0) close(fd);
		return;
	}
	while (fgets(line, sizeof line, file) != NULL) {
		if (!starts(line, wanted)) continue;
		for (char *at = line; *at != 0; at++) {
			if (*at == '\n' || *at == '\t') *at = ' ';
		}
		say("%s", line);
	}
	say("\n");
	fclose(file);
}
static void op_fdinfo(struct op *op) {
	static const char *const wanted[] = {"flags:", "eventfd-count:", "eventfd-semaphore:", "sigmask:", "clockid:", "settime flags:", NULL};
	static const char *const also[] = {"pos:", "flags:", NULL};
	char name[40];
	struct stat st;
	fd_name(name, sizeof name, "fdinfo", FD(0));
	int is_file = fstat(FD(0), &st) == 0 && S_ISREG(st.st_mode);
	if (FD(0) >= FD_PROGRAM) say("no\n");
	else say_lines(name, is_file ? also : wanted);
}
static void op_status(struct op *op) {
	(void)op;
	static const char *const wanted[] = {"Umask:", "State:", "Uid:", "Gid:", "Groups:", "Threads:", "SigPnd:", "ShdPnd:", "SigBlk:", "SigIgn:", "NoNewPrivs:", NULL};
	say_lines("thread-self/status", wanted);
}
static void op_comm(struct op *op) {
	// Which of the ways, text
	if (ARG(0) == 0) result(prctl(PR_SET_NAME, op->word[2]));
	else {
		int fd = openat(FD_PROC, "thread-self/comm", O_WRONLY | O_CLOEXEC);
		result(fd < 0 ? -1 : write(fd, op->word[2], strlen(op->word[2])));
		close(fd);
	}
	char name[17] = "";
	prctl(PR_GET_NAME, name);
	say("%d comm %s\n", op->line, name);
}
// execfile AT PATH FLAGS: no content that a sequence writes can be executed.
static void op_execfile(struct op *op) {
	char *args[] = {"x", NULL}, *env[] = {NULL};
	result(is_thread ? -2 : syscall(SYS_execveat, DIRFD(0), PATH(1), args, env, FD(2)));
}
static void op_kcmp(struct op *op) {
	if (FD(1) >= FD_PROGRAM || FD(2) >= FD_PROGRAM) {
		say("no\n");
		return;
	}
	long value = syscall(SYS_kcmp, getpid(), getpid(), FD(0), ARG(1), ARG(2));
	if (value == -1) result(-1);
	else say("%s\n", value == 0 ? "same" : "different");
}
static void op_chroot(struct op *op) {
	long value = chroot(PATH(0));
	if (value == 0) output->has_other_root = 1;
	result(value);
}
static void op_unshare(struct op *op) { result(unshare(FD(0) & (CLONE_FS | CLONE_FILES | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM))); }

// Sets of capabilities as three numbers, of the first 32.
static void op_capset(struct op *op) {
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2];
	memset(data, 0, sizeof data);
	if (syscall(SYS_capget, &header, data) == -1) result(-1);
	data[0].effective &= (uint32_t)ARG(0);
	data[0].permitted &= (uint32_t)ARG(1);
	data[0].inheritable = data[0].permitted & (uint32_t)ARG(2);
	long value = syscall(SYS_capset, &header, data);
	int error = errno;
	syscall(SYS_capget, &header, data);
	// Which ones there are at first is nobody's business here.
	say("%d %d %d ", (data[0].effective & 0xff) == (uint32_t)(ARG(0) & 0xff), (data[0].permitted & 0xff) == (uint32_t)(ARG(1) & 0xff), data[0].inheritable != 0);
	errno = error;
	result(value);
}
// prlimit WHICH SOFT HARD: limits whose effect on the interpreter is none.
static void op_prlimit(struct op *op) {
	static const int which[] = {RLIMIT_CORE, RLIMIT_MEMLOCK, RLIMIT_SIGPENDING, RLIMIT_MSGQUEUE, RLIMIT_NICE, RLIMIT_RTPRIO, RLIMIT_LOCKS, RLIMIT_RSS, 16};
	int limit = which[(size_t)ARG(0) % COUNT(which)];
	struct rlimit new = {(rlim_t)ARG(1), (rlim_t)ARG(2)}, old = {7, 7};
	// Who may raise them is the container's business.
	syscall(SYS_prlimit64, 0, limit, NULL, &old);
	// Signals of the same user elsewhere count as well, which are known of the first user alone.
	if (limit == RLIMIT_SIGPENDING && getuid() != output->user) {
		say("another user\n");
		return;
	}
	rlim_t more = limit == RLIMIT_SIGPENDING ? (rlim_t)output->queued_elsewhere : 0;
	if (new.rlim_cur != RLIM_INFINITY) new.rlim_cur += more;
	if (new.rlim_max != RLIM_INFINITY) new.rlim_max += more;
	if (new.rlim_max > old.rlim_max) new.rlim_max = old.rlim_max;
	rlim_t more_max = new.rlim_max == output->queue_limit ? 0 : more;
	long value = syscall(SYS_prlimit64, 0, limit, &new, NULL);
	result(value);
	if (value == -1) return;
	if (limit == RLIMIT_SIGPENDING) output->has_queue_limit = 1;
	syscall(SYS_prlimit64, 0, limit, NULL, &old);
	say("%d limits %ld %ld\n", op->line, (long)(old.rlim_cur - more), (long)(old.rlim_max - more_max));
}
static void op_setgid(struct op *op) {
	// which call, ids
	switch (ARG(0)) {
	case 0: result(syscall(SYS_setgid, FD(1))); break;
	case 1:
		if (!keeps_user()) result(syscall(SYS_setuid, FD(1)));
		break;
	case 2: result(syscall(SYS_setregid, FD(1), FD(2))); break;
	default: result(syscall(SYS_setfsgid, FD(1)));
	}
}

// Descriptors of the processes in the slots; slot -1 is this process.
static pid_t slot_pid(long slot) { return slot < 0 || slot >= SLOTS ? getpid() : slots[slot]; }
static void op_pidfd(struct op *op) {
	pid_t pid = slot_pid(ARG(0));
	if (pid <= 0) say("no\n");
	else result(syscall(SYS_pidfd_open, pid, FD(1)));
}
// Only what does nothing.
static void op_pidfdsignal(struct op *op) {
	int sig = FD(1);
	if (sig == SIGURG || sig == SIGWINCH || sig == 0 || sig == 65 || sig == -1) result(syscall(SYS_pidfd_send_signal, FD(0), is_thread && sig != 0 ? 65 : sig, NULL, FD(2)));
	else say("no\n");
}
static void op_pidfdget(struct op *op) { result(FD(1) >= FD_PROGRAM ? -2 : syscall(SYS_pidfd_getfd, FD(0), FD(1), FD(2))); }
static void op_pidfdwait(struct op *op) {
	siginfo_t info;
	memset(&info, 0, sizeof info);
	long value = waitid((idtype_t)3, (id_t)FD(0), &info, FD(1) | WNOHANG);
	if (value == 0 && info.si_pid == 0) say("nothing\n");
	else say_wait(value, &info);
}
static void op_groups(struct op *op) {
	pid_t pid = slot_pid(ARG(0));
	if (pid <= 0) {
		say("no\n");
		return;
	}
	pid_t group = getpgid(pid), session = getsid(pid);
	say("group %s session %s\n", group == -1 ? ename(errno) : group == getpgrp() ? "own" : group == pid ? "its" : "other",
	    session == -1 ? ename(errno) : session == getsid(0) ? "own" : session == pid ? "its" : "other");
}
static void op_schedule(struct op *op) {
	// call, policy or which, priority or value
	struct sched_param param = {FD(2)};
	switch (ARG(0)) {
	case 0: result(sched_setscheduler(0, FD(1) == 1 || FD(1) == 2 ? 3 : FD(1), &param)); break;
	case 1: result(sched_getscheduler(0)); break;
	case 2: result(sched_get_priority_max(FD(1) > 5 ? 9 : FD(1))); break;
	case 3: result(syscall(SYS_ioprio_set, 1, 0, ARG(2) | (ARG(1) << 13))); break;
	case 4: result(syscall(SYS_ioprio_get, 1, 0)); break;
	case 5: result(personality_of(ARG(1), ARG(2))); break;
	default: result(syscall(SYS_getpriority, FD(1), 0) == -1 ? -1 : 0);
	}
}

// Who is told of a descriptor's input: fd, command, and this process (0), its group (1) or nobody.
static void op_owner(struct op *op) {
	int command = FD(1);
	if (command == F_SETOWN) result(fcntl(FD(0), F_SETOWN, ARG(2) == 0 ? getpid() : 0));
	else if (command == F_GETOWN) say("%s\n", whose((pid_t)fcntl(FD(0), F_GETOWN)));
	else if (command == F_SETSIG) result(is_sendable(FD(2)) || FD(2) == 0 ? fcntl(FD(0), F_SETSIG, FD(2)) : -2);
	else if (command == F_SETOWN_EX) {
		struct f_owner_ex owner = {FD(2), getpid()};
		result(fcntl(FD(0), F_SETOWN_EX, &owner));
	} else if (command == F_GETOWN_EX) {
		struct f_owner_ex owner = {9, -9};
		long value = fcntl(FD(0), F_GETOWN_EX, &owner);
		// The kind of nobody depends on the version.
		say("%d %s ", owner.pid == 0 ? -1 : owner.type, whose(owner.pid));
		result(value);
	} else result(fcntl(FD(0), F_GETSIG));
}
static void op_async(struct op *op) {
	int on = FD(1);
	result(ioctl(FD(0), FIOASYNC, &on));
}

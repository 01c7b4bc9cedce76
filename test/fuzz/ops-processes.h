// Processes, threads, signals, credentials, limits.
#include "interp.h"
#include <sys/fsuid.h>
#include <linux/capability.h>

static void run(long from, long to);
static int is_thread;
static long sequence_end;

#define SLOTS 4
static pid_t slots[SLOTS];

static const char *signal_name(int sig) {
	static _Thread_local char text[24];
	if (sig >= 32) {
		snprintf(text, sizeof text, "RT%d", sig);
		return text;
	}
	const char *name = sigabbrev_np(sig);
	snprintf(text, sizeof text, "%s", name == NULL ? "?" : name);
	return text;
}

static void say_wait(long value, const siginfo_t *info) {
	if (value == -1) {
		say("%s\n", ename(errno));
		return;
	}
	switch (info->si_code) {
	case CLD_EXITED:
		say("exit %d uid %d\n", info->si_status, (int)info->si_uid); break;
	case CLD_KILLED:
	case CLD_DUMPED: say("killed %s uid %d\n", signal_name(info->si_status), (int)info->si_uid); break;
	case CLD_STOPPED: say("stopped %s\n", signal_name(info->si_status)); break;
	case CLD_CONTINUED: say("continued %s\n", signal_name(info->si_status)); break;
	default: say("wait code %d\n", info->si_code);
	}
}

static long wait_for(pid_t pid, int options, siginfo_t *info) {
	long value;
	memset(info, 0, sizeof *info);
	do value = waitid(P_PID, (id_t)pid, info, options);
	while (value == -1 && errno == EINTR);
	return value;
}

// fork LINES STATUS FLAGS: a child (of a thread: one that sends no signal, as it is open which thread gets it) runs the next lines and exits; its parent waits, then goes on behind them.
static long op_fork(struct op *op, long next, long end) {
	long count = ARG(0), flags = ARG(2) & (CLONE_FILES | CLONE_FS);
	long to = next + (count < 0 ? 0 : count);
	if (to > end) to = end;
	pid_t pid = (pid_t)syscall(SYS_clone, flags | (is_thread ? 0 : SIGCHLD), 0, 0, 0, 0);
	if (pid == 0) {
		memset(slots, 0, sizeof slots);
		note_process();
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		sequence_end = to;
		run(next, to);
		syscall(SYS_exit_group, FD(1));
	}
	siginfo_t info;
	long value = pid == -1 ? -1 : wait_for(pid, WEXITED | __WALL, &info);
	say("%d joined: ", op->line);
	say_wait(value, &info);
	return to;
}

struct thread_range {
	long from, to;
	pid_t tid;
};
static void *thread_main(void *arg) {
	struct thread_range *range = arg;
	range->tid = (pid_t)syscall(SYS_gettid);
	run(range->from, range->to);
	return NULL;
}
// thread LINES: the same with a thread.
static long op_thread(struct op *op, long next, long end) {
	struct thread_range range = {next, next + (ARG(0) < 0 ? 0 : ARG(0)), 0};
	if (range.to > end) range.to = end;
	pthread_t thread;
	is_thread++;
	int error = pthread_create(&thread, NULL, thread_main, &range);
	if (error == 0) pthread_join(thread, NULL);
	// It has ended for its process a moment later.
	while (error == 0 && syscall(SYS_tgkill, getpid(), range.tid, 0) == 0) sched_yield();
	is_thread--;
	say("%d joined: %s\n", op->line, ename(error));
	return range.to;
}

// exec: this program anew, from the next line on.
static void op_exec(struct op *op, long next) {
	// Whether a program starts in secure mode then depends on the version.
	if (setfsgid((gid_t)-1) != (int)getegid()) {
		say("group of files\n");
		return;
	}
	if (is_thread) {
		say("not in a thread\n");
		return;
	}
	(void)op;
	char from[24], to[24];
	snprintf(from, sizeof from, "%ld", next);
	snprintf(to, sizeof to, "%ld", sequence_end);
	char *args[] = {"interp", "resume", from, to, NULL}, *env[] = {NULL};
	say("again\n");
	syscall(SYS_execveat, FD_SELF, "", args, env, AT_EMPTY_PATH);
	say("exec: %s\n", ename(errno));
}

// spawn SLOT: a process that only waits. It holds nothing of this one's.
static void op_spawn(struct op *op) {
	long slot = ARG(0) & (SLOTS - 1);
	if (is_thread || slots[slot] > 0) {
		say("no\n");
		return;
	}
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (pid == 0) {
		note_process();
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		sigset_t all;
		sigfillset(&all);
		sigprocmask(SIG_SETMASK, &all, NULL);
		for (int sig = 1; sig < 65; sig++) {
			struct sigaction action = {.sa_handler = SIG_DFL};
			if (sig != SIGKILL && sig != SIGSTOP) sigaction(sig, &action, NULL);
		}
		munmap(arena(0, 0), 4 * ARENA_PAGES * (size_t)PAGE);
		syscall(SYS_close_range, 0, ~0U, 0);
		kill(getpid(), SIGSTOP);
		sigemptyset(&all);
		sigprocmask(SIG_SETMASK, &all, NULL);
		for (;;) pause();
	}
	slots[slot] = pid;
	siginfo_t info;
	long value = pid == -1 ? -1 : wait_for(pid, WSTOPPED | WEXITED, &info);
	if (pid > 0 && value == 0) {
		kill(pid, SIGCONT);
		value = wait_for(pid, WCONTINUED | WEXITED, &info);
	}
	say_wait(value, &info);
}
// kill SLOT SIGNAL: and waits for what that must change.
static void op_kill(struct op *op) {
	static int stopped[SLOTS];
	long slot = ARG(0) & (SLOTS - 1);
	int sig = FD(1);
	pid_t pid = slots[slot];
	if (is_thread || pid <= 0) {
		say("no\n");
		return;
	}
	// While stopped only these do something at once.
	if (stopped[slot] && sig != SIGCONT && sig != SIGKILL) {
		say("stopped\n");
		return;
	}
	int is_stop = sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU;
	int is_nothing = sig == 0 || sig == SIGURG || sig == SIGWINCH || sig == SIGCHLD;
	if (is_stop && sig != SIGSTOP) sig = SIGSTOP;
	long value = kill(pid, sig);
	if (value == -1 || is_nothing || (sig == SIGCONT && !stopped[slot])) {
		result(value);
		return;
	}
	siginfo_t info;
	value = wait_for(pid, sig == SIGCONT ? WCONTINUED : is_stop ? WSTOPPED | WEXITED : WEXITED, &info);
	stopped[slot] = is_stop && value == 0;
	if (!is_stop && sig != SIGCONT) slots[slot] = 0;
	say_wait(value, &info);
}
static void op_waitany(struct op *op) {
	siginfo_t info;
	memset(&info, 0, sizeof info);
	long value = waitid((idtype_t)ARG(0), 0, &info, FD(1) | WNOHANG);
	if (value == 0 && info.si_pid == 0) say("nothing\n");
	else say_wait(value, &info);
}
static void op_exit(struct op *op) { syscall(SYS_exit_group, FD(0)); }
static void op_setpgid(struct op *op) {
	long slot = ARG(0);
	done(setpgid(slot < 0 || slot >= SLOTS ? 0 : slots[slot], ARG(1) == 0 ? 0 : getpgrp()));
}
static void op_ids(struct op *op) {
	(void)op;
	say("group leader %d, session leader %d\n", getpgrp() == getpid(), getsid(0) == getpid());
}
static void op_setsid(struct op *op) {
	(void)op;
	done(setsid());
}

// Signals.
static void on_signal(int sig, siginfo_t *info, void *context) {
	int saved = errno;
	(void)context;
	stack_t stack;
	sigset_t mask;
	uint64_t word;
	sigaltstack(NULL, &stack);
	sigprocmask(SIG_SETMASK, NULL, &mask);
	memcpy(&word, &mask, sizeof word);
	say("[%s code=%d", signal_name(sig), info->si_code);
	if (info->si_code == SI_QUEUE) say(" value=%d", info->si_value.sival_int);
	if (sig == SIGCHLD && info->si_code > 0) say(" status=%d", info->si_status);
	say(" mask=%llx stack=%d] ", (unsigned long long)word, stack.ss_flags);
	errno = saved;
}
static sigset_t set_of(long bits) {
	sigset_t set;
	sigemptyset(&set);
	uint64_t word = (uint64_t)bits;
	memcpy(&set, &word, sizeof word);
	return set;
}
static long bits_of(const sigset_t *set) {
	uint64_t word;
	memcpy(&word, set, sizeof word);
	return (long)word;
}
// sigaction SIGNAL KIND FLAGS MASK: kind 0 default, 1 ignore, 2 handler
static void op_sigaction(struct op *op) {
	int sig = FD(0);
	if (sig == SIGSEGV || sig == SIGBUS || sig == 32 || sig == 33) {
		say("no\n");
		return;
	}
	struct sigaction action = {.sa_flags = FD(2) & (SA_RESTART | SA_NODEFER | SA_RESETHAND | SA_ONSTACK | SA_NOCLDSTOP | SA_NOCLDWAIT)}, old;
	memset(&old, 0, sizeof old);
	// When a stopped child says that it goes on is open; see catch_faults() too.
	if (sig == SIGCHLD) action.sa_flags |= SA_NOCLDSTOP;
	action.sa_mask = set_of(ARG(3));
	if (ARG(1) == 2) action.sa_sigaction = on_signal, action.sa_flags |= SA_SIGINFO;
	else action.sa_handler = ARG(1) == 1 ? SIG_IGN : SIG_DFL;
	long value = sigaction(sig, &action, &old);
	if (value == 0) say("was %s flags=%x mask=%lx ", old.sa_handler == SIG_DFL ? "default" : old.sa_handler == SIG_IGN ? "ignored" : "handled", (unsigned)old.sa_flags & ~0x4000000U, bits_of(&old.sa_mask));
	result(value);
}
// Faults must reach their handler, and the watchdog's signal too.
#define NEVER_BLOCKED (1L << (SIGSEGV - 1) | 1L << (SIGBUS - 1))
static void op_sigprocmask(struct op *op) {
	uint64_t set = (uint64_t)(ARG(1) & ~NEVER_BLOCKED), old = 0;
	long value = syscall(SYS_rt_sigprocmask, FD(0), &set, &old, 8);
	say("was %llx ", (unsigned long long)old);
	result(value);
}
static void op_sigpending(struct op *op) {
	(void)op;
	uint64_t set = 0;
	long value = syscall(SYS_rt_sigpending, &set, 8);
	say("%llx ", (unsigned long long)set);
	result(value);
}
static int is_sendable(int sig) { return !(sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU || sig == SIGSEGV || sig == SIGBUS || sig == 32 || sig == 33); }
// No room for a signal because of those of the same user elsewhere, which come and go: it is tried again for a while.
static int is_momentary(int *times) {
	struct timespec moment = {0, 1000000};
	if (errno != EAGAIN || !output->has_queue_limit || ++*times > 20) return 0;
	nanosleep(&moment, NULL);
	return 1;
}
// raise SIGNAL HOW VALUE: 0 kill, 1 tgkill, 2 sigqueue
static void op_raise(struct op *op) {
	int sig = FD(0);
	if (!is_sendable(sig)) {
		say("no\n");
		return;
	}
	// Which thread takes a signal for the process is open.
	int how = is_thread ? 1 : FD(1);
	long value;
	int times = 0;
	do {
		if (how == 0) value = kill(getpid(), sig);
		else if (how == 1) value = syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), sig);
		else value = sigqueue(getpid(), sig, (union sigval){.sival_int = FD(2)});
	} while (value == -1 && is_momentary(&times));
	result(value);
}
static void op_sigtimedwait(struct op *op) {
	uint64_t set = (uint64_t)ARG(0);
	struct timespec zero = {0, 0};
	siginfo_t info;
	memset(&info, 0, sizeof info);
	long value = syscall(SYS_rt_sigtimedwait, &set, &info, &zero, 8);
	if (value > 0) say("code=%d value=%d ", info.si_code, info.si_code == SI_QUEUE ? info.si_value.sival_int : 0);
	result(value);
}
static void op_sigaltstack(struct op *op) {
	static _Thread_local char stack[2][65536];
	stack_t new = {.ss_sp = stack[ARG(0) & 1], .ss_flags = FD(1), .ss_size = (size_t)ARG(2)}, old;
	if (new.ss_size > sizeof stack[0]) new.ss_size = sizeof stack[0];
	memset(&old, 0, sizeof old);
	long value = sigaltstack(&new, &old);
	say("was flags=%d size=%ld ", old.ss_flags, (long)old.ss_size);
	result(value);
}
static void op_signalfd(struct op *op) {
	uint64_t set = (uint64_t)ARG(1);
	result(syscall(SYS_signalfd4, FD(0), &set, 8, FD(2) | SFD_NONBLOCK));
}
static void op_sigread(struct op *op) {
	struct signalfd_siginfo info[4];
	long value = read(FD(0), info, sizeof info);
	for (long i = 0; i < value / (long)sizeof info[0]; i++) say("%u:%d ", info[i].ssi_signo, info[i].ssi_code);
	result(value);
}

// Credentials of this thread alone, as the kernel has it.
// A limit of signals would mean other signals to another user.
static int keeps_user(void) {
	if (output->has_queue_limit) say("signals are limited\n");
	return output->has_queue_limit;
}
static void op_setresuid(struct op *op) {
	if (!keeps_user()) result(syscall(SYS_setresuid, FD(0), FD(1), FD(2)));
}
static void op_setresgid(struct op *op) { result(syscall(SYS_setresgid, FD(0), FD(1), FD(2))); }
static void op_setreuid(struct op *op) {
	if (!keeps_user()) result(syscall(SYS_setreuid, FD(0), FD(1)));
}
static void op_setfsuid(struct op *op) { result(syscall(SYS_setfsuid, FD(0))); }
static void op_setgroups(struct op *op) {
	gid_t groups[2] = {(gid_t)ARG(1), (gid_t)ARG(2)};
	result(syscall(SYS_setgroups, (size_t)(ARG(0) & 3) > 2 ? 2 : ARG(0) & 3, groups));
}
static void op_creds(struct op *op) {
	(void)op;
	uid_t u[3];
	gid_t g[3], groups[8];
	syscall(SYS_getresuid, &u[0], &u[1], &u[2]);
	syscall(SYS_getresgid, &g[0], &g[1], &g[2]);
	say("%d %d %d %d %d %d fs %ld groups", (int)u[0], (int)u[1], (int)u[2], (int)g[0], (int)g[1], (int)g[2], syscall(SYS_setfsuid, -1));
	long count = syscall(SYS_getgroups, 8, groups);
	for (long i = 0; i < count; i++) say(" %d", (int)groups[i]);
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2];
	memset(data, 0, sizeof data);
	syscall(SYS_capget, &header, data);
	say(" caps %d %d dumpable %d\n", data[0].effective != 0, data[0].permitted != 0, prctl(PR_GET_DUMPABLE));
}
static void op_prctl(struct op *op) { result(prctl(FD(0), ARG(1), ARG(2), 0, 0)); }
static void op_setrlimit(struct op *op) {
	struct rlimit limit, old;
	int which = FD(0) & 1 ? RLIMIT_FSIZE : RLIMIT_NOFILE;
	if (getrlimit(which, &old) == -1) result(-1);
	limit.rlim_cur = (rlim_t)ARG(1);
	limit.rlim_max = old.rlim_max;
	if (which == RLIMIT_NOFILE && limit.rlim_cur > FD_LIMIT) limit.rlim_cur = FD_LIMIT;
	// Less would cut the interpreter's own output.
	if (which == RLIMIT_FSIZE && limit.rlim_cur < 4096) limit.rlim_cur = 4096;
	say("was %ld ", (long)old.rlim_cur);
	result(setrlimit(which, &limit));
}
static void op_priority(struct op *op) {
	int pid = 0;
	long set = ARG(0) == 0 ? 0 : setpriority(PRIO_PROCESS, (id_t)pid, FD(1));
	say("%ld ", syscall(SYS_getpriority, PRIO_PROCESS, pid));
	result(set);
}

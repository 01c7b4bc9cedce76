// clone3(2): argument sizes, exit signals, stacks, pidfds, tids written to memory, and what is refused.
#include "check.h"
#include <linux/sched.h>
#include <poll.h>

static long clone3(struct clone_args *args, size_t size) { return syscall(SYS_clone3, args, size); }

static const char *attempt(struct clone_args args, size_t size) {
	long pid = clone3(&args, size);
	if (pid == 0) _exit(0);
	if (pid < 0) return ename(errno);
	int status;
	waitpid((pid_t)pid, &status, __WALL);
	return wname(status);
}

int main(void) {
	struct clone_args plain = {.exit_signal = SIGCHLD};
	say("plain: %s\n", attempt(plain, sizeof plain));
	say("size 64: %s\n", attempt(plain, 64));
	say("size 80: %s\n", attempt(plain, 80));
	say("size 63: %s\n", attempt(plain, 63));
	say("size 0: %s\n", attempt(plain, 0));
	say("size 5000: %s\n", attempt(plain, 5000));
	struct {
		struct clone_args args;
		uint64_t more[4];
	} larger;
	memset(&larger, 0, sizeof larger);
	larger.args.exit_signal = SIGCHLD;
	long pid = clone3(&larger.args, sizeof larger);
	if (pid == 0) _exit(0);
	say("larger with zeros: %s\n", pid < 0 ? ename(errno) : wname(reap((pid_t)pid)));
	larger.more[3] = 1;
	pid = clone3(&larger.args, sizeof larger);
	if (pid == 0) _exit(0);
	say("larger with a one: %s\n", pid < 0 ? ename(errno) : wname(reap((pid_t)pid)));
	say("wild: %s\n", clone3(WILD, sizeof plain) < 0 ? ename(errno) : "ok");
	say("NULL: %s\n", clone3(NULL, sizeof plain) < 0 ? ename(errno) : "ok");
	say("exit signal in flags: %s\n", attempt((struct clone_args){.flags = SIGCHLD}, sizeof plain));
	say("exit signal 65: %s\n", attempt((struct clone_args){.exit_signal = 65}, sizeof plain));
	say("exit signal 0x100: %s\n", attempt((struct clone_args){.exit_signal = 0x100}, sizeof plain));
	say("no exit signal: %s\n", attempt((struct clone_args){0}, sizeof plain));
	say("unknown flag: %s\n", attempt((struct clone_args){.flags = 1ULL << 60, .exit_signal = SIGCHLD}, sizeof plain));
	say("DETACHED: %s\n", attempt((struct clone_args){.flags = CLONE_DETACHED, .exit_signal = SIGCHLD}, sizeof plain));
	say("THREAD with exit signal: %s\n", attempt((struct clone_args){.flags = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM, .exit_signal = SIGCHLD}, sizeof plain));
	say("SIGHAND and CLEAR_SIGHAND: %s\n", attempt((struct clone_args){.flags = CLONE_SIGHAND | CLONE_VM | CLONE_CLEAR_SIGHAND, .exit_signal = SIGCHLD}, sizeof plain));
	say("stack without size: %s\n", attempt((struct clone_args){.stack = 4096, .exit_signal = SIGCHLD}, sizeof plain));
	say("size without stack: %s\n", attempt((struct clone_args){.stack_size = 4096, .exit_signal = SIGCHLD}, sizeof plain));
	say("wild stack: %s\n", attempt((struct clone_args){.stack = (uintptr_t)KERNEL_HALF, .stack_size = 4096, .exit_signal = SIGCHLD}, sizeof plain));
	say("set_tid_size without set_tid: %s\n", attempt((struct clone_args){.set_tid_size = 1, .exit_signal = SIGCHLD}, sizeof plain));
	// CLEAR_SIGHAND: handlers go, ignored stays.
	signal(SIGUSR1, (void (*)(int))(uintptr_t)main);
	signal(SIGUSR2, SIG_IGN);
	struct clone_args clear = {.flags = CLONE_CLEAR_SIGHAND, .exit_signal = SIGCHLD};
	pid = clone3(&clear, sizeof clear);
	if (pid == 0) {
		struct sigaction one, two;
		sigaction(SIGUSR1, NULL, &one);
		sigaction(SIGUSR2, NULL, &two);
		_exit((one.sa_handler == SIG_DFL ? 1 : 0) + (two.sa_handler == SIG_IGN ? 2 : 0));
	}
	say("cleared: %s\n", pid < 0 ? ename(errno) : wname(reap((pid_t)pid)));
	// Tids and a pidfd.
	int pidfd = -1;
	pid_t parent_tid = 0, child_tid = 0;
	struct clone_args full = {.flags = CLONE_PIDFD | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID, .pidfd = (uintptr_t)&pidfd, .parent_tid = (uintptr_t)&parent_tid, .child_tid = (uintptr_t)&child_tid, .exit_signal = SIGCHLD};
	pid = clone3(&full, sizeof full);
	if (pid == 0) {
		sleep_ms(30);
		_exit(child_tid == getpid() ? 6 : 1);
	}
	YES("parent_tid", parent_tid == pid);
	YES("child_tid is the child's memory only", child_tid == 0);
	SHOW(fcntl(pidfd, F_GETFD));
	struct pollfd poller = {pidfd, POLLIN, 0};
	SHOW(poll(&poller, 1, 0));
	SHOW(poll(&poller, 1, 5000));
	YES("readable", poller.revents == POLLIN);
	siginfo_t info;
	SHOW(waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED));
	say("status %d\n", info.si_status);
	SHOW(syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0));
	return 0;
}

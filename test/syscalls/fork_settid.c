// CLONE_PARENT_SETTID, CLONE_CHILD_SETTID, CLONE_CHILD_CLEARTID, set_tid_address: tids in memory and the futex wake at the end.
#include "check.h"
#include <linux/futex.h>

static char stack[1 << 16] __attribute__((aligned(16)));

static int quiet(void *argument) {
	sleep_ms(*(int *)argument);
	return 0;
}

int main(void) {
	int *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), none = 0;
	pid_t parent_tid = -1;
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, 0, &parent_tid, &shared[0], 0);
	if (pid == 0) _exit((shared[0] == getpid() ? 1 : 0) + (parent_tid == -1 ? 2 : 0));
	YES("parent tid written", parent_tid == pid);
	say("child saw its tid, and not the one for the parent: %s\n", wname(reap(pid)));
	YES("child tid left in shared memory", shared[0] == pid);
	// CLEARTID: zeroed and woken when the child with shared memory ends.
	pid_t cleared = 12345;
	int delay = 60;
	pid = clone(quiet, stack + sizeof stack, CLONE_VM | CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID | SIGCHLD, &delay, NULL, NULL, &cleared);
	MUST(pid);
	long result = 0;
	while (*(volatile pid_t *)&cleared != 0) {
		pid_t seen = *(volatile pid_t *)&cleared;
		if (seen != 0) result = syscall(SYS_futex, &cleared, FUTEX_WAIT, seen, NULL, NULL, 0);
	}
	YES("woken or already cleared", result == 0 || result == -1);
	say("cleared to %d\n", cleared);
	say("child: %s\n", wname(reap(pid)));
	// Without other users of the memory nothing is written.
	shared[1] = 77;
	pid = (pid_t)syscall(SYS_clone, CLONE_CHILD_CLEARTID | SIGCHLD, 0, 0, &shared[1], 0);
	if (pid == 0) _exit(0);
	reap(pid);
	say("own address space, shared page: %d\n", shared[1]);
	// set_tid_address returns the caller's tid.
	YES("set_tid_address", syscall(SYS_set_tid_address, &none) == gettid());
	YES("wild set_tid_address", syscall(SYS_set_tid_address, WILD) == gettid());
	// A wild address for CHILD_SETTID is the child's problem only.
	pid = (pid_t)syscall(SYS_clone, CLONE_CHILD_SETTID | SIGCHLD, 0, 0, WILD, 0);
	if (pid == 0) _exit(2);
	say("wild CHILD_SETTID: %s\n", pid < 0 ? ename(errno) : wname(reap(pid)));
	pid = clone(quiet, stack + sizeof stack, CLONE_VM | CLONE_CHILD_CLEARTID | SIGCHLD, &none, NULL, NULL, WILD);
	say("wild CHILD_CLEARTID: %s\n", pid < 0 ? ename(errno) : wname(reap(pid)));
	return 0;
}

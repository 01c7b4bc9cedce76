// Scheduling parameters: policies, attributes, priorities, niceness, I/O priorities, what forks inherit and what they reset; errors and rights.
#include "check.h"
#include <sys/ioctl.h>

struct attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max;
};

static long setattr(int pid, struct attr *a, unsigned flags) { return syscall(SYS_sched_setattr, pid, a, flags); }
static long getattr(int pid, struct attr *a, unsigned size, unsigned flags) { return syscall(SYS_sched_getattr, pid, a, size, flags); }

static void show(const char *label) {
	struct attr a;
	memset(&a, 0x77, sizeof a);
	long r = getattr(0, &a, 48, 0);
	struct sched_param p = {-1};
	sched_getparam(0, &p);
	say("%s: %ld size %u policy %u flags %lu nice %d priority %u; scheduler %#x param %d getpriority %d\n", label, r, a.size, a.policy, (unsigned long)a.flags, a.nice, a.priority, (unsigned)sched_getscheduler(0), p.sched_priority, getpriority(PRIO_PROCESS, 0));
}

static long ioprio(int class, int data) { return syscall(SYS_ioprio_set, 1, 0, class << 13 | data); }
static long getioprio(int which, int who) { return syscall(SYS_ioprio_get, which, who); }

static void unprivileged(void) {
	MUST(setuid(65534));
	struct sched_param zero = {0}, ten = {10};
	struct rlimit none = {0, 0};
	setrlimit(RLIMIT_NICE, &none);
	setrlimit(RLIMIT_RTPRIO, &none);
	SHOW(setpriority(PRIO_PROCESS, 0, 5));
	SHOW(setpriority(PRIO_PROCESS, 0, 4));
	SHOW(nice(-1));
	SHOW(sched_setscheduler(0, SCHED_FIFO, &ten));
	SHOW(sched_setscheduler(0, SCHED_BATCH, &zero));
	SHOW(sched_setscheduler(0, SCHED_IDLE, &zero));
	show("idle");
	SHOW(sched_setscheduler(0, SCHED_OTHER, &zero));
	SHOW(sched_setscheduler(getppid(), SCHED_BATCH, &zero));
	SHOW(setpriority(PRIO_PROCESS, getppid(), 9));
	SHOW(sched_setparam(getppid(), &zero));
	cpu_set_t set;
	sched_getaffinity(0, sizeof set, &set);
	SHOW(sched_setaffinity(getppid(), sizeof set, &set));
	struct attr a = {48, 0, 0, 0, 0, 0, 0, 0, 0, 0};
	SHOW(setattr(0, &a, 0));
	a.nice = 12;
	SHOW(setattr(0, &a, 0));
	show("nice 12");
	SHOW(ioprio(1, 4));
	SHOW(ioprio(2, 3));
	SHOW(ioprio(3, 0));
	SHOW(syscall(SYS_ioprio_set, 1, getppid(), 2 << 13 | 1));
}

int main(void) {
	show("start");
	struct sched_param zero = {0}, ten = {10}, big = {100}, minus = {-1};
	SHOW(sched_setscheduler(0, SCHED_OTHER, &ten));
	SHOW(sched_setscheduler(0, SCHED_OTHER, &minus));
	SHOW(sched_setscheduler(0, 99, &zero));
	SHOW(sched_setscheduler(0, -1, &zero));
	SHOW(sched_setscheduler(0, 4, &zero));
	SHOW(sched_setscheduler(0, SCHED_OTHER, NULL));
	SHOW(sched_setscheduler(0, SCHED_OTHER, WILD));
	SHOW(sched_setscheduler(4194300, SCHED_OTHER, &zero));
	SHOW(sched_setscheduler(0, SCHED_FIFO, &zero));
	SHOW(sched_setscheduler(0, SCHED_FIFO, &big));
	SHOW(sched_setscheduler(0, SCHED_BATCH, &zero));
	show("batch");
	SHOW(sched_setscheduler(0, SCHED_BATCH | SCHED_RESET_ON_FORK, &zero));
	show("batch, reset");
	pid_t pid = fork();
	if (pid == 0) {
		show("child of a reset one");
		_exit(0);
	}
	reap(pid);
	SHOW(sched_setscheduler(0, SCHED_BATCH, &zero));
	pid = fork();
	if (pid == 0) {
		show("child of a batch one");
		_exit(0);
	}
	reap(pid);
	SHOW(sched_setscheduler(0, SCHED_OTHER, &zero));
	SHOW(sched_setparam(0, &ten));
	SHOW(sched_setparam(0, &zero));
	SHOW(sched_setparam(0, NULL));
	SHOW(sched_getparam(0, NULL));
	SHOW(sched_getparam(-1, &zero));
	SHOW(sched_getparam(0, WILD));
	for (int i = -1; i < 7; i++) say("priorities of %d: %d %d\n", i, sched_get_priority_min(i), sched_get_priority_max(i));
	struct timespec t;
	SHOW(sched_rr_get_interval(-1, &t));
	SHOW(sched_rr_get_interval(4194300, &t));
	SHOW(sched_rr_get_interval(0, WILD));
	SHOW(sched_rr_get_interval(0, &t));

	// sched_setattr
	struct attr a = {48, 0, 0, 7, 0, 0, 0, 0, 0, 0}, b;
	SHOW(setattr(0, &a, 0));
	show("nice 7");
	SHOW(setattr(0, &a, 1));
	SHOW(setattr(-1, &a, 0));
	SHOW(setattr(0, NULL, 0));
	SHOW(setattr(0, WILD, 0));
	a.size = 47;
	SHOW(setattr(0, &a, 0));
	say("told %u\n", a.size >= 48);
	a.size = 0;
	a.nice = 6;
	SHOW(setattr(0, &a, 0));
	show("size 0");
	a.size = 5000;
	SHOW(setattr(0, &a, 0));
	struct {
		struct attr a;
		char rest[72];
	} longer;
	memset(&longer, 0, sizeof longer);
	longer.a.size = 128;
	longer.a.nice = 5;
	SHOW(setattr(0, &longer.a, 0));
	longer.rest[70] = 1;
	SHOW(setattr(0, &longer.a, 0));
	YES("told the size", longer.a.size >= 48 && longer.a.size < 128);
	a = (struct attr){48, 77, 0, 0, 0, 0, 0, 0, 0, 0};
	SHOW(setattr(0, &a, 0));
	a = (struct attr){48, 0, 0x1000, 0, 0, 0, 0, 0, 0, 0};
	SHOW(setattr(0, &a, 0));
	a = (struct attr){48, 0, 1, 0, 0, 0, 0, 0, 0, 0};
	SHOW(setattr(0, &a, 0));
	show("reset flag");
	a = (struct attr){48, 0, 8 | 16, 3, 5, 0, 0, 0, 0, 0};
	SHOW(setattr(0, &a, 0));
	show("kept policy and parameters");
	a = (struct attr){48, 0, 0, 0, 5, 0, 0, 0, 0, 0};
	SHOW(setattr(0, &a, 0));
	a = (struct attr){48, 6, 0, 0, 0, 0, 0, 0, 0, 0};
	SHOW(setattr(0, &a, 0));
	a = (struct attr){48, 6, 0, 0, 0, 2, 1, 1, 0, 0};
	SHOW(setattr(0, &a, 0));
	a = (struct attr){48, 0, 0, 100, 0, 0, 0, 0, 0, 0};
	SHOW(setattr(0, &a, 0));
	SHOW(getattr(0, &b, 47, 0));
	SHOW(getattr(0, &b, 48, 1));
	SHOW(getattr(0, NULL, 48, 0));
	SHOW(getattr(0, WILD, 48, 0));
	SHOW(getattr(-1, &b, 48, 0));
	SHOW(getattr(4194300, &b, 48, 0));
	SHOW(getattr(0, &b, 5000, 0));
	memset(&b, 0x55, sizeof b);
	SHOW(getattr(0, &b, 56, 0));
	say("size %u\n", b.size);
	a = (struct attr){48, 0, 0, 0, 0, 0, 0, 0, 0, 0};
	SHOW(setattr(0, &a, 0));

	// Niceness.
	SHOW(setpriority(PRIO_PROCESS, 0, 50));
	SHOW(getpriority(PRIO_PROCESS, 0));
	SHOW(setpriority(PRIO_PROCESS, 0, 3));
	SHOW(getpriority(PRIO_PGRP, 0));
	SHOW(getpriority(3, 0));
	SHOW(getpriority(-1, 0));
	SHOW(getpriority(PRIO_PROCESS, 4194300));
	SHOW(getpriority(PRIO_PGRP, 4194300));
	SHOW(getpriority(PRIO_USER, 4194300));
	SHOW(setpriority(PRIO_USER, 4194300, 1));
	SHOW(setpriority(9, 0, 0));

	// I/O priorities.
	SHOW(getioprio(1, 0));
	SHOW(ioprio(2, 3));
	SHOW(getioprio(1, 0));
	SHOW(ioprio(3, 0));
	SHOW(getioprio(1, 0));
	SHOW(ioprio(3, 5));
	SHOW(ioprio(0, 0));
	SHOW(getioprio(1, 0));
	SHOW(ioprio(0, 3));
	SHOW(ioprio(4, 0));
	SHOW(ioprio(9, 0));
	SHOW(getioprio(0, 0));
	SHOW(getioprio(4, 0));
	SHOW(getioprio(1, 4194300));
	SHOW(getioprio(2, 4194300));
	SHOW(syscall(SYS_ioprio_set, 1, 4194300, 2 << 13));
	SHOW(syscall(SYS_ioprio_set, 2, 0, 2 << 13 | 6));
	SHOW(getioprio(2, 0));
	SHOW(syscall(SYS_ioprio_set, 9, 0, 2 << 13));
	pid = fork();
	if (pid == 0) {
		SHOW(getioprio(1, 0));
		_exit(0);
	}
	reap(pid);
	child("unprivileged", unprivileged);

	// CPUs.
	cpu_set_t all, one, now;
	MUST(sched_getaffinity(0, sizeof all, &all));
	unsigned cpu = 99999, node = 99999;
	SHOW(syscall(SYS_getcpu, &cpu, &node, NULL));
	YES("one of ours", cpu < 4096 && CPU_ISSET(cpu, &all) && node == 0);
	SHOW(syscall(SYS_getcpu, NULL, NULL, NULL));
	SHOW(syscall(SYS_getcpu, WILD, NULL, NULL));
	int same = 1;
	for (int i = 0; i < 1024; i++) {
		if (!CPU_ISSET(i, &all)) continue;
		CPU_ZERO(&one);
		CPU_SET(i, &one);
		MUST(sched_setaffinity(0, sizeof one, &one));
		sched_getaffinity(0, sizeof now, &now);
		syscall(SYS_getcpu, &cpu, NULL, NULL);
		same &= CPU_EQUAL(&one, &now) && (int)cpu == i && sched_getcpu() == i;
	}
	YES("on the CPU that was asked for", same);
	pid = fork();
	if (pid == 0) {
		sched_getaffinity(0, sizeof now, &now);
		_exit(CPU_EQUAL(&one, &now) ? 0 : 1);
	}
	say("child's CPUs %s\n", wname(reap(pid)));
	SHOW(sched_setaffinity(0, sizeof all, &all));
	return 0;
}

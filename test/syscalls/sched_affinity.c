// sched_setaffinity(2) and sched_getaffinity(2): their errors, and which come first.
#include "check.h"

int main(void) {
	cpu_set_t set;
	YES("get", sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0);
	SHOW(sched_setaffinity(0, sizeof set, &set));
	SHOW(sched_getaffinity(-1, sizeof set, &set));
	SHOW(sched_setaffinity(-1, sizeof set, &set));
	SHOW(sched_getaffinity(4194304, sizeof set, &set));
	SHOW(syscall(SYS_sched_getaffinity, 0, 7, &set));
	SHOW(syscall(SYS_sched_getaffinity, -1, 7, &set));
	SHOW(syscall(SYS_sched_getaffinity, 0, 0, &set));
	SHOW(syscall(SYS_sched_getaffinity, 0, sizeof set, WILD));
	SHOW(syscall(SYS_sched_setaffinity, 0, sizeof set, WILD));
	SHOW(syscall(SYS_sched_setaffinity, -1, sizeof set, WILD));
	CPU_ZERO(&set);
	SHOW(sched_setaffinity(0, sizeof set, &set));
	SHOW(sched_setaffinity(0, 0, &set));
	SHOW(sched_getscheduler(-1));
	return 0;
}

// uname, sethostname, getcpu, sched_*, getpriority, sysinfo, getrandom: shapes and errors (values belong to the host).
#include "check.h"
#include <sys/random.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

int main(void) {
	struct utsname u;
	SHOW(uname(&u));
	say("%s %s\n", u.sysname, u.machine);
	int major = 0, minor = 0;
	YES("release begins with two numbers", sscanf(u.release, "%d.%d", &major, &minor) == 2 && major >= 3);
	YES("version begins with #", u.version[0] == '#');
	YES("node name not empty", u.nodename[0] != 0);
	char host[65];
	SHOW(gethostname(host, sizeof host));
	YES("gethostname is the node name", strcmp(host, u.nodename) == 0);
	SHOW(syscall(SYS_uname, WILD));
	// sysinfo
	struct sysinfo info;
	SHOW(sysinfo(&info));
	YES("memory sane", info.totalram > 0 && info.freeram <= info.totalram && info.mem_unit > 0);
	YES("up for a while, with processes", info.uptime >= 0 && info.procs > 0);
	SHOW(syscall(SYS_sysinfo, WILD));
	// getrandom
	unsigned char a[64], b[64];
	SHOW(getrandom(a, sizeof a, 0));
	SHOW(getrandom(b, sizeof b, GRND_NONBLOCK));
	YES("differ", memcmp(a, b, sizeof a) != 0);
	static unsigned char large[100000];
	SHOW(getrandom(large, sizeof large, 0));
	int counts[256] = {0}, lowest = 1 << 30;
	for (size_t i = 0; i < sizeof large; i++) counts[large[i]]++;
	for (int i = 0; i < 256; i++) lowest = counts[i] < lowest ? counts[i] : lowest;
	YES("every byte value occurs often", lowest > 200);
	SHOW(getrandom(a, 0, 0));
	SHOW(getrandom(a, 8, GRND_RANDOM));
	SHOW(getrandom(a, 8, 0x100));
	SHOW(getrandom(WILD, 8, 0));
	// CPUs
	unsigned cpu = 999, node = 999;
	SHOW(syscall(SYS_getcpu, &cpu, &node, NULL));
	cpu_set_t set;
	SHOW(sched_getaffinity(0, sizeof set, &set));
	YES("own CPU is in the set, or moved", CPU_COUNT(&set) >= 1 && cpu < 4096);
	YES("number of CPUs", sysconf(_SC_NPROCESSORS_ONLN) >= 1);
	cpu_set_t one;
	CPU_ZERO(&one);
	for (int i = 0; i < CPU_SETSIZE; i++) {
		if (CPU_ISSET(i, &set)) {
			CPU_SET(i, &one);
			break;
		}
	}
	SHOW(sched_setaffinity(0, sizeof one, &one));
	SHOW(sched_getaffinity(0, sizeof set, &set));
	say("CPUs now: %d\n", CPU_COUNT(&set));
	pid_t pid = fork();
	if (pid == 0) {
		SHOW(sched_getaffinity(0, sizeof set, &set));
		_exit(CPU_COUNT(&set));
	}
	say("child: %s\n", wname(reap(pid)));
	CPU_ZERO(&one);
	SHOW(sched_setaffinity(0, sizeof one, &one));
	SHOW(sched_setaffinity(4194303, sizeof set, &set));
	SHOW(sched_getaffinity(4194303, sizeof set, &set));
	SHOW(syscall(SYS_sched_getaffinity, 0, 1, &set));
	SHOW(syscall(SYS_sched_getaffinity, 0, sizeof set, WILD));
	SHOW(syscall(SYS_sched_setaffinity, 0, sizeof set, WILD));
	SHOW(sched_yield());
	// Scheduling
	SHOW(sched_getscheduler(0));
	struct sched_param param = {0};
	SHOW(sched_getparam(0, &param));
	say("priority %d\n", param.sched_priority);
	SHOW(sched_get_priority_max(SCHED_FIFO));
	SHOW(sched_get_priority_min(SCHED_FIFO));
	SHOW(sched_get_priority_max(SCHED_OTHER));
	SHOW(sched_get_priority_max(99));
	param.sched_priority = 5;
	SHOW(sched_setscheduler(0, SCHED_OTHER, &param));
	param.sched_priority = 0;
	SHOW(sched_setscheduler(0, SCHED_BATCH, &param));
	SHOW(sched_getscheduler(0));
	SHOW(sched_getscheduler(4194303));
	// Niceness
	SHOW(getpriority(PRIO_PROCESS, 0));
	SHOW(setpriority(PRIO_PROCESS, 0, 7));
	SHOW(getpriority(PRIO_PROCESS, 0));
	SHOW(syscall(SYS_getpriority, PRIO_PROCESS, 0));
	SHOW(setpriority(PRIO_PROCESS, 0, 100));
	SHOW(getpriority(PRIO_PROCESS, 0));
	SHOW(getpriority(PRIO_PROCESS, 4194303));
	SHOW(getpriority(99, 0));
	SHOW(setpriority(PRIO_PROCESS, 4194303, 1));
	SHOW(nice(0));
	return 0;
}

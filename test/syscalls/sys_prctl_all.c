// Every option of prctl(2): those that exist here do what they say, the others give the errno of a kernel that has no such thing.
#include "check.h"
#include <linux/prctl.h>
#include <sys/syscall.h>

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

#define P(...) SHOW(syscall(SYS_prctl, __VA_ARGS__))

static int in_maps(const char *word) {
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512];
	int found = 0;
	while (fgets(line, sizeof line, f)) found |= strstr(line, word) != NULL;
	fclose(f);
	return found;
}

// Options of other architectures, and of processors that there are no more. Argument 2: a place for the answer.
#define OPTION(name, argument) {#name, name, argument}
static const struct {
	const char *name;
	int option, argument;
} elsewhere[] = {
	OPTION(PR_GET_UNALIGN, 2), OPTION(PR_SET_UNALIGN, 1), OPTION(PR_GET_FPEMU, 2), OPTION(PR_SET_FPEMU, 1),
	OPTION(PR_GET_FPEXC, 2), OPTION(PR_SET_FPEXC, 1), OPTION(PR_GET_ENDIAN, 2), OPTION(PR_SET_ENDIAN, 0),
	OPTION(PR_MPX_ENABLE_MANAGEMENT, 0), OPTION(PR_MPX_DISABLE_MANAGEMENT, 0), OPTION(PR_SET_FP_MODE, 0), OPTION(PR_GET_FP_MODE, 0),
	OPTION(PR_SVE_SET_VL, 0), OPTION(PR_SVE_GET_VL, 0), OPTION(PR_PAC_RESET_KEYS, 0), OPTION(PR_PAC_SET_ENABLED_KEYS, 0),
	OPTION(PR_SET_TAGGED_ADDR_CTRL, 0), OPTION(PR_GET_TAGGED_ADDR_CTRL, 0), OPTION(PR_SME_GET_VL, 0),
};

static void locked_securebits(void) {
	P(PR_SET_SECUREBITS, 0x20, 0, 0, 0);
	P(PR_SET_KEEPCAPS, 1, 0, 0, 0);
	P(PR_SET_SECUREBITS, 0, 0, 0, 0);
	P(PR_SET_SECUREBITS, 0x30, 0, 0, 0);
}

static void own_timer_slack(void) {
	P(PR_GET_TIMERSLACK, 0, 0, 0, 0);
	P(PR_SET_TIMERSLACK, 5, 0, 0, 0);
	P(PR_SET_TIMERSLACK, 0, 0, 0, 0);
	P(PR_GET_TIMERSLACK, 0, 0, 0, 0);
}

static void inherited_thp(void) { P(PR_GET_THP_DISABLE, 0, 0, 0, 0); }

static void flusher(void) {
	MUST(setuid(65534));
	P(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
	P(PR_GET_IO_FLUSHER, 0, 0, 0, 0);
}

int main(void) {
	int value = -1;
	// Odd arguments of the plain ones.
	P(PR_SET_PDEATHSIG, -1L, 0, 0, 0);
	P(PR_SET_PDEATHSIG, 64, 0, 0, 0);
	P(PR_SET_PDEATHSIG, 0, 9, 9, 9);
	P(PR_SET_DUMPABLE, 3, 0, 0, 0);
	P(PR_SET_DUMPABLE, -1L, 0, 0, 0);
	P(PR_SET_KEEPCAPS, -1L, 0, 0, 0);
	P(PR_GET_TIMING, 5, 5, 5, 5);
	P(PR_SET_TIMING, 0, 0, 0, 0);
	P(PR_GET_SECCOMP, 0, 0, 0, 0);
	P(PR_SET_SECCOMP, 0, 0, 0, 0);
	P(PR_SET_SECCOMP, 99, 0, 0, 0);
	P(PR_CAPBSET_READ, 0, 0, 0, 0);
	P(PR_CAPBSET_READ, 64, 0, 0, 0);
	P(PR_CAPBSET_READ, -1L, 0, 0, 0);
	P(PR_CAPBSET_DROP, 64, 0, 0, 0);
	// Securebits and the lock.
	P(PR_SET_SECUREBITS, 1, 0, 0, 0);
	P(PR_GET_SECUREBITS, 0, 0, 0, 0);
	P(PR_SET_SECUREBITS, 0, 0, 0, 0);
	child("locked securebits", locked_securebits);
	// The time stamp counter.
	value = -1;
	P(PR_GET_TSC, &value, 0, 0, 0);
	say("tsc %d\n", value);
	P(PR_GET_TSC, WILD, 0, 0, 0);
	P(PR_SET_TSC, 3, 0, 0, 0);
	P(PR_SET_TSC, PR_TSC_ENABLE, 0, 0, 0);
	// Timer slack.
	P(PR_SET_TIMERSLACK, 77777, 0, 0, 0);
	P(PR_GET_TIMERSLACK, 0, 0, 0, 0);
	child("own timer slack", own_timer_slack);
	// Performance counters, of which there are none.
	P(PR_TASK_PERF_EVENTS_DISABLE, 0, 0, 0, 0);
	P(PR_TASK_PERF_EVENTS_ENABLE, 5, 5, 5, 5);
	// Machine checks.
	P(PR_MCE_KILL_GET, 0, 0, 0, 0);
	P(PR_MCE_KILL_GET, 1, 0, 0, 0);
	P(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0);
	P(PR_MCE_KILL_GET, 0, 0, 0, 0);
	P(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_LATE, 0, 0);
	P(PR_MCE_KILL_GET, 0, 0, 0, 0);
	P(PR_MCE_KILL, PR_MCE_KILL_SET, 9, 0, 0);
	P(PR_MCE_KILL, PR_MCE_KILL_CLEAR, 1, 0, 0);
	P(PR_MCE_KILL, PR_MCE_KILL_CLEAR, 0, 0, 0);
	P(PR_MCE_KILL_GET, 0, 0, 0, 0);
	P(PR_MCE_KILL, 9, 0, 0, 0);
	P(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_DEFAULT, 1, 0);
	// Children of a subreaper, addresses.
	P(PR_SET_CHILD_SUBREAPER, 77, 0, 0, 0);
	P(PR_GET_CHILD_SUBREAPER, &value, 0, 0, 0);
	say("%d\n", value);
	P(PR_GET_CHILD_SUBREAPER, WILD, 0, 0, 0);
	P(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
	P(PR_GET_TID_ADDRESS, WILD, 0, 0, 0);
	// Huge pages.
	P(PR_GET_THP_DISABLE, 0, 0, 0, 0);
	P(PR_GET_THP_DISABLE, 1, 0, 0, 0);
	P(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	P(PR_GET_THP_DISABLE, 0, 0, 0, 0);
	child("inherited thp", inherited_thp);
	P(PR_SET_THP_DISABLE, 0, 0, 0, 0);
	P(PR_SET_THP_DISABLE, 0, 0, 1, 0);
	// Ambient capabilities.
	P(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 0, 0, 0);
	P(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 64, 0, 0);
	P(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 0, 0, 0);
	P(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 1, 0, 0);
	P(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	P(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, 3, 0, 0);
	P(PR_CAP_AMBIENT, 9, 0, 0, 0);
	P(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 0, 1, 0);
	for (size_t i = 0; i < COUNT(elsewhere); i++) say("%s -> %s\n", elsewhere[i].name, prctl(elsewhere[i].option, elsewhere[i].argument == 2 ? (long)&value : elsewhere[i].argument, 0, 0, 0) == 0 ? "ok" : ename(errno));
	// I/O flusher.
	child("flusher", flusher);
	// Names of mappings.
	char *named = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long r = syscall(SYS_prctl, PR_SET_VMA, PR_SET_VMA_ANON_NAME, named, PAGE, "my heap");
	YES("names are kept or refused", r == 0 ? in_maps("[anon:my heap]") : errno == EINVAL);
	// Speculation: what does not exist.
	P(PR_GET_SPECULATION_CTRL, 99, 0, 0, 0);
	P(PR_GET_SPECULATION_CTRL, 0, 1, 0, 0);
	P(PR_SET_SPECULATION_CTRL, 99, 0, 0, 0);
	P(PR_SET_SPECULATION_CTRL, 0, 0, 1, 0);
	// Scheduling cores.
	P(PR_SCHED_CORE, 99, 0, 0, 0);
	return 0;
}

// Capabilities: sets over setuid and execve, keepcaps, capset rules, the bounding set, ambient capabilities, and what a missing one forbids.
#include "check.h"
#include <linux/capability.h>

static void show(const char *label) {
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2];
	MUST(syscall(SYS_capget, &header, data));
	// The full set depends on the host; of the first eight all but DAC_READ_SEARCH belong to root everywhere.
	const unsigned mask = 0xff & ~(1U << CAP_DAC_READ_SEARCH);
	say("%s: effective %02x permitted %02x inheritable %02x, all the rest %s\n", label, data[0].effective & mask, data[0].permitted & mask, data[0].inheritable & mask, data[0].effective >> 8 == 0 && data[1].effective == 0 ? "empty" : "some");
}

static void set(unsigned effective, unsigned permitted, unsigned inheritable) {
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2] = {{effective, permitted, inheritable}, {0, 0, 0}};
	say("capset %x %x %x: %s\n", effective, permitted, inheritable, syscall(SYS_capset, &header, data) == 0 ? "ok" : ename(errno));
}

static char *self_argv[] = {"cred_caps", "look", NULL};

static void exec_look(void) {
	execv("/proc/self/exe", self_argv);
	_exit(1);
}

static void drop(void) {
	MUST(setresuid(1000, 1000, 1000));
	show("after setresuid");
	exec_look();
}

static void keep(void) {
	MUST(prctl(PR_SET_KEEPCAPS, 1));
	MUST(setresuid(1000, 1000, 1000));
	show("with keepcaps");
	set(1 << CAP_KILL, 1 << CAP_KILL, 0);
	show("then");
	say("kill of a root process: %s\n", kill(getppid(), 0) == 0 ? "ok" : ename(errno));
	exec_look();
}

static void effective_only(void) {
	MUST(setresuid(-1, 1000, -1));
	show("seteuid to a user");
	MUST(setresuid(-1, 0, -1));
	show("and back");
	exec_look();
}

static void limited(void) {
	set((1 << CAP_CHOWN) | (1 << CAP_KILL), (1 << CAP_CHOWN) | (1 << CAP_KILL) | (1 << CAP_SETUID), 0);
	show("limited");
	put("f", "");
	say("chown: %s\n", chown("f", 5, 5) == 0 ? "ok" : ename(errno));
	say("setuid: %s\n", setuid(5) == 0 ? "ok" : ename(errno));
	set(1 << CAP_SETUID, 1 << CAP_SETUID, 0);
	say("chown: %s\n", chown("f", 0, 0) == 0 ? "ok" : ename(errno));
	set(1 << CAP_CHOWN, 1 << CAP_CHOWN, 0);
	set(1 << CAP_SETUID, 0, 0);
	set(0, 0, 1 << CAP_KILL);
	show("end");
	exec_look();  // uid 0: execve brings the bounding set back
}

static void dac(void) {
	put("secret", "x");
	MUST(chown("secret", 7, 7));
	MUST(chmod("secret", 0600));
	MUST(mkdir("closed", 0700));
	MUST(chown("closed", 7, 7));
	set(0, 0, 0);
	SHOW(open("secret", O_RDONLY));
	SHOW(access("closed/x", F_OK));
	SHOW(chmod("secret", 0777));
	SHOW(chroot("."));
	SHOW(mknod("device", S_IFCHR | 0600, 0x103));
	SHOW(sethostname("x", 1));
	SHOW(setpriority(PRIO_PROCESS, 0, -5));
	SHOW(kill(getppid(), 0));
}

static void bounding(void) {
	SHOW(prctl(PR_CAPBSET_READ, CAP_CHOWN));
	SHOW(prctl(PR_CAPBSET_DROP, CAP_CHOWN));
	SHOW(prctl(PR_CAPBSET_READ, CAP_CHOWN));
	show("dropped from the bounding set");
	SHOW(prctl(PR_CAPBSET_READ, 200));
	SHOW(prctl(PR_CAPBSET_DROP, 200));
	exec_look();
}

static void ambient(void) {
	SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL, 0, 0));
	SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0));
	MUST(prctl(PR_SET_KEEPCAPS, 1));
	MUST(setresuid(1000, 1000, 1000));
	set(1 << CAP_KILL, 1 << CAP_KILL, 1 << CAP_KILL);
	SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0));
	SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL, 0, 0));
	SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0));
	exec_look();
}

int main(int argc, char **argv) {
	(void)argv;
	if (argc > 1) {
		show("after execve");
		return 0;
	}
	child("drop", drop);
	child("keep", keep);
	child("effective only", effective_only);
	child("limited", limited);
	child("no capabilities", dac);
	child("bounding", bounding);
	child("ambient", ambient);
	struct __user_cap_header_struct header = {0x12345678, 0};
	struct __user_cap_data_struct data[2];
	SHOW(syscall(SYS_capget, &header, NULL));
	say("preferred version %s\n", header.version == _LINUX_CAPABILITY_VERSION_3 ? "3" : "?");
	header = (struct __user_cap_header_struct){0x12345678, 0};
	SHOW(syscall(SYS_capget, &header, data));
	header = (struct __user_cap_header_struct){_LINUX_CAPABILITY_VERSION_3, 4194303};
	SHOW(syscall(SYS_capget, &header, data));
	header.pid = -1;
	SHOW(syscall(SYS_capget, &header, data));
	SHOW(syscall(SYS_capget, WILD, data));
	header.pid = 0;
	SHOW(syscall(SYS_capget, &header, WILD));
	SHOW(syscall(SYS_capset, &header, WILD));
	header.pid = getppid();
	MUST(syscall(SYS_capget, &header, data));
	SHOW(syscall(SYS_capset, &header, data));
	return 0;
}

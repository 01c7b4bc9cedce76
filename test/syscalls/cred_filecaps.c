// File capabilities: what execve makes of them with the sets of the caller, no_new_privs, nosuid, AT_SECURE; who may set them, what removes
// them; the rules for root and securebits.
// do: --allow-suid
#include "check.h"
#include <linux/capability.h>
#include <sys/auxv.h>
#include <sys/mount.h>
#include <sys/xattr.h>

#define CHOWN (1u << CAP_CHOWN)
#define KILL (1u << CAP_KILL)
#define FOWNER (1u << CAP_FOWNER)
#define FSETID (1u << CAP_FSETID)
// Only these: the full set depends on the host.
#define MASK (CHOWN | KILL | FOWNER | FSETID)

static void show(const char *label) {
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2];
	MUST(syscall(SYS_capget, &header, data));
	unsigned ambient = 0;
	for (int i = 0; i < 6; i++) ambient |= (unsigned)(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, i, 0, 0) == 1) << i;
	uid_t r, e, s;
	getresuid(&r, &e, &s);
	say("  %s: effective %02x permitted %02x inheritable %02x ambient %02x uid %d %d %d secure %lu dumpable %d bits %x\n", label, data[0].effective & MASK, data[0].permitted & MASK, data[0].inheritable & MASK, ambient & MASK, (int)r, (int)e, (int)s, getauxval(AT_SECURE), prctl(PR_GET_DUMPABLE), prctl(PR_GET_SECUREBITS));
}

static void set(unsigned effective, unsigned permitted, unsigned inheritable) {
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2] = {{effective, permitted, inheritable}, {0, 0, 0}};
	MUST(syscall(SYS_capset, &header, data));
}

static void copy_self(const char *to, mode_t mode, uid_t uid) {
	int in = open("/proc/self/exe", O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	MUST(in);
	MUST(out);
	char buffer[65536];
	for (ssize_t n; (n = read(in, buffer, sizeof buffer)) > 0;) {
		if (write(out, buffer, (size_t)n) != n) die("copy");
	}
	MUST(fchown(out, uid, 0));
	MUST(fchmod(out, mode));
	close(in);
	close(out);
}

static struct vfs_cap_data caps(unsigned permitted, unsigned inheritable, int effective) {
	struct vfs_cap_data d = {VFS_CAP_REVISION_2 | (unsigned)effective, {{permitted, inheritable}, {0, 0}}};
	return d;
}

static void give(const char *path, unsigned permitted, unsigned inheritable, int effective) {
	struct vfs_cap_data d = caps(permitted, inheritable, effective);
	if (setxattr(path, "security.capability", &d, sizeof d, 0) != 0) die("setxattr %s", path);
}

static void go(const char *path) {
	execve(path, (char *[]){"x", "look", NULL}, (char *[]){"CHECK_KEEP=1", NULL});
	say("  execve %s\n", ename(errno));
	_exit(1);
}

// As a user with some sets.
static const char *target;
static unsigned own_permitted, own_inheritable, own_ambient, drop_bound, bits;
static int nnp;

static void as_user(void) {
	MUST(syscall(SYS_setgroups, 0, NULL));
	if (drop_bound)
		for (int i = 0; i < 6; i++)
			if (drop_bound >> i & 1) MUST(prctl(PR_CAPBSET_DROP, i, 0, 0, 0));
	MUST(prctl(PR_SET_KEEPCAPS, 1));
	if (bits) MUST(prctl(PR_SET_SECUREBITS, bits | 16, 0, 0, 0));
	MUST(setresgid(1000, 1000, 1000));
	MUST(setresuid(1000, 1000, 1000));
	set(own_permitted, own_permitted, own_inheritable);
	for (int i = 0; i < 6; i++)
		if (own_ambient >> i & 1) MUST(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0));
	if (nnp) MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	go(target);
}

static void as_root(void) {
	if (drop_bound)
		for (int i = 0; i < 6; i++)
			if (drop_bound >> i & 1) MUST(prctl(PR_CAPBSET_DROP, i, 0, 0, 0));
	if (bits) MUST(prctl(PR_SET_SECUREBITS, bits, 0, 0, 0));
	if (own_permitted) set(own_permitted, own_permitted, own_inheritable);
	if (nnp) MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	go(target);
}

static void run(const char *label, const char *path, void (*who)(void)) {
	target = path;
	say("%s\n", label);
	child("  end", who);
	own_permitted = own_inheritable = own_ambient = drop_bound = bits = 0;
	nnp = 0;
}

int main(int argc, char **argv) {
	(void)argv;
	if (argc > 1) {
		show("program");
		return 0;
	}
	MUST(chmod(".", 0755));
	copy_self("plain", 0755, 0);
	copy_self("permitted", 0755, 0);
	copy_self("effective", 0755, 0);
	copy_self("inheritable", 0755, 0);
	copy_self("both", 0755, 0);
	copy_self("suid", 04755, 0);
	copy_self("suid_caps", 04755, 0);
	copy_self("suid_user", 04755, 2000);
	copy_self("empty", 0755, 0);
	struct vfs_cap_data d = caps(KILL, 0, 1);
	if (setxattr("permitted", "security.capability", &d, sizeof d, 0) != 0) die("setxattr");
	give("permitted", KILL | CHOWN, 0, 0);
	give("effective", KILL | CHOWN, 0, 1);
	give("inheritable", 0, KILL | CHOWN, 1);
	give("both", KILL, CHOWN, 1);
	give("suid_caps", KILL, 0, 1);
	give("empty", 0, 0, 0);

	run("user, plain", "./plain", as_user);
	run("user, permitted", "./permitted", as_user);
	run("user, effective", "./effective", as_user);
	run("user, inheritable without own", "./inheritable", as_user);
	own_permitted = own_inheritable = CHOWN | FOWNER;
	run("user, inheritable with own", "./inheritable", as_user);
	own_permitted = own_inheritable = CHOWN;
	run("user, both", "./both", as_user);
	own_permitted = KILL;
	run("user with permitted, plain", "./plain", as_user);
	own_permitted = own_inheritable = FOWNER | KILL;
	own_ambient = FOWNER;
	run("user with ambient, plain", "./plain", as_user);
	own_permitted = own_inheritable = FOWNER | KILL;
	own_ambient = FOWNER;
	run("user with ambient, effective", "./effective", as_user);
	own_permitted = own_inheritable = FOWNER;
	own_ambient = FOWNER;
	run("user with ambient, empty capabilities", "./empty", as_user);
	own_permitted = own_inheritable = FOWNER;
	own_ambient = FOWNER;
	run("user with ambient, set-user-ID root", "./suid", as_user);
	drop_bound = CHOWN;
	run("user without bounding, effective", "./effective", as_user);
	drop_bound = CHOWN;
	run("user without bounding, permitted", "./permitted", as_user);
	nnp = 1;
	run("user, no_new_privs, effective", "./effective", as_user);
	nnp = 1;
	own_permitted = own_inheritable = FOWNER;
	own_ambient = FOWNER;
	run("user, no_new_privs, ambient, plain", "./plain", as_user);
	run("user, set-user-ID root", "./suid", as_user);
	run("user, set-user-ID root with capabilities", "./suid_caps", as_user);
	run("user, set-user-ID other", "./suid_user", as_user);
	bits = 1;
	run("user, set-user-ID root, noroot", "./suid", as_user);
	own_permitted = FOWNER;
	nnp = 1;
	run("user, set-user-ID root, no_new_privs", "./suid", as_user);

	run("root, plain", "./plain", as_root);
	run("root, effective", "./effective", as_root);
	bits = 1;
	run("root, noroot, plain", "./plain", as_root);
	bits = 1;
	run("root, noroot, effective", "./effective", as_root);
	drop_bound = KILL;
	run("root without bounding, plain", "./plain", as_root);
	own_permitted = FOWNER | KILL;
	run("root with few, plain", "./plain", as_root);
	own_permitted = FOWNER | KILL;
	nnp = 1;
	run("root with few, no_new_privs, plain", "./plain", as_root);
	bits = 0x40;
	run("root, no ambient raise", "./plain", as_root);

	// Setting and losing them.
	d = caps(KILL, 0, 1);
	SHOW(setxattr("plain", "security.capability", &d, sizeof d - 1, 0));
	SHOW(setxattr("plain", "security.capability", &d, 0, 0));
	struct vfs_cap_data got;
	SHOW(getxattr("plain", "security.capability", &got, sizeof got));
	d.magic_etc = 0x05000000;
	SHOW(setxattr("plain", "security.capability", &d, sizeof d, 0));
	d = caps(KILL, CHOWN, 1);
	SHOW(setxattr("plain", "security.capability", &d, sizeof d, 0));
	memset(&got, 0, sizeof got);
	SHOW(getxattr("plain", "security.capability", &got, sizeof got));
	say("same %d\n", memcmp(&got, &d, sizeof d) == 0);
	MUST(chown("plain", 5, 5));
	SHOW(getxattr("plain", "security.capability", &got, sizeof got));
	MUST(setxattr("plain", "security.capability", &d, sizeof d, 0));
	int fd = open("plain", O_WRONLY | O_APPEND);
	MUST(write(fd, "x", 1));
	close(fd);
	SHOW(getxattr("plain", "security.capability", &got, sizeof got));
	MUST(setxattr("plain", "security.capability", &d, sizeof d, 0));
	MUST(chmod("plain", 0700));
	SHOW(getxattr("plain", "security.capability", &got, sizeof got));
	MUST(truncate("plain", 10));
	SHOW(getxattr("plain", "security.capability", &got, sizeof got));
	MUST(setxattr("plain", "security.capability", &d, sizeof d, 0));
	SHOW(removexattr("plain", "security.capability"));
	pid_t pid = fork();
	if (pid == 0) {
		MUST(chown("plain", 1000, 1000));
		MUST(setresuid(1000, 1000, 1000));
		SHOW(setxattr("plain", "security.capability", &d, sizeof d, 0));
		SHOW(getxattr("effective", "security.capability", &got, sizeof got));
		SHOW(removexattr("effective", "security.capability"));
		_exit(0);
	}
	reap(pid);
	return 0;
}

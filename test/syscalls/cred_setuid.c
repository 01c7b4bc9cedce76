// User and group ids: the set*id family as root and as a user, saved ids, file system ids, groups, what is refused.
#include "check.h"
#include <grp.h>
#include <sys/fsuid.h>

static void ids(const char *label) {
	uid_t r, e, s;
	gid_t gr, ge, gs;
	getresuid(&r, &e, &s);
	getresgid(&gr, &ge, &gs);
	say("%s: uid %d %d %d fs %d, gid %d %d %d fs %d\n", label, (int)r, (int)e, (int)s, setfsuid((uid_t)-1), (int)gr, (int)ge, (int)gs, setfsgid((gid_t)-1));
}

static void groups(const char *label) {
	gid_t list[64];
	int n = getgroups(64, list);
	say("%s: groups", label);
	for (int i = 0; i < n; i++) say(" %d", (int)list[i]);
	say("\n");
}

static void full_drop(void) {
	SHOW(setuid(1000));
	ids("setuid by root");
	SHOW(setuid(0));
	SHOW(seteuid(0));
	SHOW(setreuid(0, -1));
	SHOW(setresuid(-1, -1, 0));
	SHOW(setuid(1000));
	SHOW(setgid(5));
	SHOW(setgroups(0, NULL));
	SHOW(setresuid(1000, 1000, 1000));
	SHOW(setresuid(1001, -1, -1));
}

static void temporary(void) {
	SHOW(seteuid(1000));
	ids("seteuid");
	SHOW(seteuid(1001));
	SHOW(setuid(0));
	ids("setuid(0) without privilege");
	SHOW(seteuid(0));
	ids("back");
	SHOW(setresuid(1000, 1001, 1002));
	ids("three");
	SHOW(seteuid(1002));
	SHOW(seteuid(1000));
	SHOW(seteuid(1001));
	SHOW(setreuid(1001, 1002));
	SHOW(setresuid(1002, 1000, 1000));
	ids("turned");
	SHOW(setresuid(0, -1, -1));
	SHOW(setresuid(-1, 1003, -1));
}

static void reuid(void) {
	SHOW(setreuid(1000, 1001));
	ids("setreuid");
	SHOW(setreuid(1001, 1000));
	ids("swapped");
	SHOW(setreuid(-1, 1001));
	ids("effective to saved or real");
	SHOW(setreuid(0, -1));
}

static void group_ids(void) {
	SHOW(setgid(50));
	ids("setgid by root");
	SHOW(setresgid(1, 2, 3));
	SHOW(setegid(1));
	ids("setegid");
	MUST(setresuid(1000, 1000, 1000));
	SHOW(setegid(3));
	SHOW(setgid(2));
	SHOW(setregid(3, 1));
	ids("as a user");
	SHOW(setresgid(0, -1, -1));
}

static void fs_ids(void) {
	MUST(chmod(".", 0777));
	SHOW(setfsuid(1234));
	SHOW(setfsuid(-1));
	SHOW(setfsgid(4321));
	int fd = open("made", O_WRONLY | O_CREAT, 0644);
	struct stat st;
	MUST(fstat(fd, &st));
	say("made by %d:%d, euid %d\n", (int)st.st_uid, (int)st.st_gid, (int)geteuid());
	put("rooted", "");
	SHOW(setfsuid(0));
	MUST(seteuid(1000));
	SHOW(setfsuid(-1));
	SHOW(setfsuid(0));
	SHOW(setfsuid(7777));
	SHOW(setfsuid(-1));
}

static void group_list(void) {
	gid_t list[] = {30, 10, 20, 10};
	SHOW(setgroups(4, list));
	groups("set");
	SHOW(getgroups(0, NULL));
	SHOW(getgroups(2, list));
	SHOW(syscall(SYS_getgroups, -1, list));
	SHOW(syscall(SYS_getgroups, 10, WILD));
	SHOW(syscall(SYS_setgroups, 2, WILD));
	SHOW(syscall(SYS_setgroups, 65537, list));
	SHOW(syscall(SYS_setgroups, -1, list));
	pid_t pid = fork();
	if (pid == 0) {
		groups("child");
		MUST(setresuid(1000, 1000, 1000));
		SHOW(setgroups(0, NULL));
		groups("as a user");
		_exit(0);
	}
	reap(pid);
	SHOW(setgroups(0, NULL));
	groups("none");
}

static void wild(void) {
	uid_t u;
	SHOW(syscall(SYS_getresuid, WILD, &u, &u));
	SHOW(syscall(SYS_getresgid, &u, WILD, &u));
	SHOW(setuid(-1));
	SHOW(setresuid(-1, -1, -1));
	SHOW(setgid(-1));
}

int main(void) {
	ids("start");
	child("full drop", full_drop);
	child("temporary", temporary);
	child("setreuid", reuid);
	child("groups", group_ids);
	child("fs ids", fs_ids);
	child("group list", group_list);
	child("bad values", wild);
	ids("the parent's are untouched");
	return 0;
}

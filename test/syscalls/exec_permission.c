// Who may execute what: the x bits of owner, group and others for a user without privileges, search permission on the way.
#include "check.h"

static void copy_self(const char *to, mode_t mode) {
	int in = open("/proc/self/exe", O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0700);
	MUST(in);
	MUST(out);
	char buffer[65536];
	for (ssize_t n; (n = read(in, buffer, sizeof buffer)) > 0;) {
		if (write(out, buffer, (size_t)n) != n) die("copy");
	}
	close(in);
	close(out);
	MUST(chmod(to, mode));
}

static void run(const char *path, uid_t uid, gid_t gid) {
	pid_t pid = fork();
	if (pid == 0) {
		if (uid != 0) {
			MUST(syscall(SYS_setgroups, 0, NULL));
			MUST(setresgid(gid, gid, gid));
			MUST(setresuid(uid, uid, uid));
		}
		execve(path, (char *[]){"x", "child", NULL}, (char *[]){NULL});
		say("%s as %d:%d: %s\n", path, (int)uid, (int)gid, ename(errno));
		_exit(1);
	}
	reap(pid);
}

int main(int argc, char **argv) {
	if (argc > 1) {
		uid_t r, e, s;
		gid_t rg, eg, sg;
		getresuid(&r, &e, &s);
		getresgid(&rg, &eg, &sg);
		say("%s runs: uid %d %d %d gid %d %d %d\n", argv[0], (int)r, (int)e, (int)s, (int)rg, (int)eg, (int)sg);
		return 0;
	}
	MUST(chmod(".", 0755));
	copy_self("everybody", 0755);
	run("./everybody", 0, 0);
	run("./everybody", 1234, 1234);
	copy_self("nobody_x", 0644);
	run("./nobody_x", 0, 0);
	run("./nobody_x", 1234, 1234);
	copy_self("owner_x", 0700);
	run("./owner_x", 0, 0);
	run("./owner_x", 1234, 1234);
	MUST(chown("owner_x", 1234, 0));
	run("./owner_x", 1234, 1234);
	copy_self("group_x", 0010);
	MUST(chown("group_x", 5, 77));
	run("./group_x", 0, 0);
	run("./group_x", 1234, 77);
	run("./group_x", 1234, 78);
	// The first class that matches decides: the owner without x fails though others have it.
	copy_self("others_x", 0005);
	MUST(chown("others_x", 1234, 77));
	run("./others_x", 1234, 77);
	run("./others_x", 99, 77);
	run("./others_x", 99, 99);
	// No read permission is needed.
	copy_self("x_only", 0111);
	run("./x_only", 1234, 1234);
	MUST(mkdir("closed", 0700));
	copy_self("closed/inside", 0755);
	run("./closed/inside", 0, 0);
	run("./closed/inside", 1234, 1234);
	MUST(chmod("closed", 0711));
	run("./closed/inside", 1234, 1234);
	MUST(chmod("closed", 0744));
	run("./closed/inside", 1234, 1234);
	return 0;
}

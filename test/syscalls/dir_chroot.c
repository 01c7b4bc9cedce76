// chdir, fchdir, getcwd, chroot: directories that go away, are not reachable, may not be entered.
#include "check.h"

static const char *cwd(void) {
	static char text[PATH_MAX];
	long n = syscall(SYS_getcwd, text, sizeof text);
	if (n < 0) return ename(errno);
	const char *slash = strrchr(text, '/');
	return slash == text ? text : slash;
}

static void confined(void) {
	int outside = open(".", O_RDONLY);
	MUST(mkdir("jail", 0755));
	put("jail/inside", "in");
	put("outside", "out");
	MUST(symlink("/inside", "jail/link"));
	SHOW(chroot("outside"));
	SHOW(chroot("nothing"));
	SHOW(chroot(""));
	SHOW(chroot(LOW));
	SHOW(chroot("jail"));
	YES("still outside", access("outside", F_OK) == 0);
	char text[64] = {0};
	SHOW(chdir("/"));
	say("%s\n", cwd());
	SHOW(access("inside", F_OK));
	say("%s\n", cat("/link"));
	SHOW(access("../outside", F_OK));
	SHOW(access("/../../inside", F_OK));
	SHOW(fchdir(outside));
	long n = syscall(SYS_getcwd, text, sizeof text);
	YES("unreachable", n > 0 && strncmp(text, "(unreachable)", 13) == 0);
	SHOW(access("outside", F_OK));
	SHOW(chdir("/"));
	MUST(setresuid(1000, 1000, 1000));
	SHOW(chroot("/"));
}

static void denied(void) {
	MUST(mkdir("closed", 0700));
	MUST(mkdir("closed/below", 0755));
	int below = open("closed/below", O_PATH), closed = open("closed", O_PATH);
	MUST(setresuid(1000, 1000, 1000));
	SHOW(chdir("closed"));
	SHOW(chdir("closed/below"));
	SHOW(fchdir(closed));
	SHOW(fchdir(below));
	SHOW(chdir(".."));
}

int main(void) {
	char text[64];
	MUST(mkdir("d", 0755));
	put("file", "");
	SHOW(chdir("d"));
	say("%s\n", cwd());
	SHOW(chdir(".."));
	SHOW(chdir("file"));
	SHOW(chdir("file/x"));
	SHOW(chdir("nothing"));
	SHOW(chdir(""));
	SHOW(chdir(LOW));
	SHOW(fchdir(open("file", O_RDONLY)));
	SHOW(fchdir(99));
	SHOW(fchdir(open("d", O_PATH)));
	say("%s\n", cwd());
	SHOW(syscall(SYS_getcwd, text, 1));
	SHOW(syscall(SYS_getcwd, LOW, sizeof text));
	MUST(rename("../d", "../renamed"));
	say("%s\n", cwd());
	MUST(rmdir("../renamed"));
	say("%s\n", cwd());
	SHOW(access(".", F_OK));
	SHOW(access("..", F_OK));
	SHOW(open("new", O_CREAT | O_WRONLY, 0600));
	SHOW(mkdir("new", 0700));
	SHOW(chdir(".."));
	SHOW(access("file", F_OK));
	child("denied", denied);
	child("confined", confined);
	return 0;
}

// access and faccessat with real and effective ids, for root and for users; chdir, fchdir, getcwd, chroot.
#include "check.h"

static void look(const char *label) {
	static const char *names[] = {"none", "owner", "group", "others", "x_dir", "r_dir"};
	for (size_t i = 0; i < COUNT(names); i++) {
		say("%s %s:", label, names[i]);
		for (int mode = 0; mode < 8; mode++) say(" %s", access(names[i], mode) == 0 ? "ok" : ename(errno));
		say("\n");
	}
	SHOW(access("x_dir/in", F_OK));
	SHOW(access("r_dir/in", F_OK));
}

int main(void) {
	MUST(chmod(".", 0755));
	static const struct {
		const char *name;
		mode_t mode;
	} files[] = {{"none", 0}, {"owner", 0700}, {"group", 0070}, {"others", 0007}};
	for (size_t i = 0; i < COUNT(files); i++) {
		put(files[i].name, "");
		MUST(chown(files[i].name, 1000, 2000));
		MUST(chmod(files[i].name, files[i].mode));
	}
	MUST(mkdir("x_dir", 0711));
	put("x_dir/in", "");
	MUST(mkdir("r_dir", 0744));
	put("r_dir/in", "");
	look("root");
	static const uid_t ids[][2] = {{1000, 2000}, {3000, 2000}, {3000, 3000}};
	for (int i = 0; i < 3; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			char label[32];
			snprintf(label, sizeof label, "%u:%u", ids[i][0], ids[i][1]);
			MUST(syscall(SYS_setgroups, 0, NULL));
			MUST(setresgid(ids[i][1], ids[i][1], ids[i][1]));
			MUST(setresuid(ids[i][0], ids[i][0], ids[i][0]));
			look(label);
			_exit(0);
		}
		reap(pid);
	}
	// A supplementary group counts as well.
	pid_t pid = fork();
	if (pid == 0) {
		gid_t groups[] = {5, 2000};
		MUST(syscall(SYS_setgroups, 2, groups));
		MUST(setresgid(9, 9, 9));
		MUST(setresuid(3000, 3000, 3000));
		SHOW(access("group", R_OK | W_OK | X_OK));
		SHOW(access("others", R_OK));
		_exit(0);
	}
	reap(pid);
	// Real against effective: access uses the real id, AT_EACCESS the effective one.
	pid = fork();
	if (pid == 0) {
		MUST(setresuid(3000, 0, 0));
		SHOW(access("owner", R_OK));
		SHOW(faccessat(AT_FDCWD, "owner", R_OK, AT_EACCESS));
		SHOW(open("owner", O_RDONLY) >= 0);
		_exit(0);
	}
	reap(pid);
	SHOW(access("missing", F_OK));
	SHOW(access("owner/x", F_OK));
	SHOW(access("owner", 8));
	SHOW(access("", F_OK));
	SHOW(access(WILD, F_OK));
	// Directories of the process.
	char cwd[PATH_MAX];
	MUST(mkdir("deep", 0755));
	MUST(mkdir("deep/er", 0755));
	SHOW(chdir("deep/er"));
	say("%s\n", getcwd(cwd, sizeof cwd) == NULL ? ename(errno) : strstr(cwd, "/deep"));
	SHOW(syscall(SYS_getcwd, cwd, strlen(cwd)));
	SHOW(syscall(SYS_getcwd, cwd, strlen(cwd) + 1) == (long)strlen(cwd) + 1);
	SHOW(syscall(SYS_getcwd, WILD, PATH_MAX));
	SHOW(syscall(SYS_getcwd, cwd, 0));
	int back = open("../..", O_RDONLY);
	SHOW(chdir("missing"));
	SHOW(chdir(""));
	SHOW(chdir(WILD));
	SHOW(fchdir(back));
	SHOW(access("deep", F_OK));
	SHOW(chdir("owner"));
	SHOW(fchdir(open("owner", O_RDONLY)));
	SHOW(fchdir(99));
	SHOW(chdir("/"));
	say("%s\n", getcwd(cwd, sizeof cwd));
	SHOW(chdir("/.."));
	say("%s\n", getcwd(cwd, sizeof cwd));
	MUST(fchdir(back));
	// chroot: the new root, escapes by .., getcwd outside.
	pid = fork();
	if (pid == 0) {
		SHOW(chroot("missing"));
		SHOW(chroot("owner"));
		SHOW(chroot("deep"));
		SHOW(access("/er", F_OK));
		SHOW(access("/../er", F_OK));
		SHOW(chdir("/"));
		SHOW(chdir(".."));
		say("%s\n", getcwd(cwd, sizeof cwd));
		SHOW(access("er", F_OK));
		MUST(setresuid(3000, 3000, 3000));
		SHOW(chroot("/er"));
		_exit(0);
	}
	reap(pid);
	return 0;
}

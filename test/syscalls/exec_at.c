// execveat(2) and fexecve: directory descriptors, AT_EMPTY_PATH, O_PATH, AT_SYMLINK_NOFOLLOW, a deleted file.
#include "check.h"

static void copy_self(const char *to) {
	int in = open("/proc/self/exe", O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	MUST(out);
	char buffer[65536];
	for (ssize_t n; (n = read(in, buffer, sizeof buffer)) > 0;) {
		if (write(out, buffer, (size_t)n) != n) die("copy");
	}
	close(in);
	close(out);
}

static void run(const char *label, int dir, const char *path, int flags) {
	pid_t pid = fork();
	if (pid == 0) {
		syscall(SYS_execveat, dir, path, (char *[]){"x", "child", NULL}, environ, flags);
		say("%s: %s\n", label, ename(errno));
		_exit(1);
	}
	say("%s: %s\n", label, wname(reap(pid)));
}

int main(int argc, char **argv) {
	(void)argv;
	if (argc > 1) {
		char path[PATH_MAX];
		ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
		if (n < 0) return 1;
		path[n] = 0;
		char *slash = strrchr(path, '/');
		say("exe: %s, comm: %s", slash == NULL ? path : slash + 1, cat("/proc/self/comm"));
		return 9;
	}
	MUST(mkdir("dir", 0755));
	copy_self("dir/program");
	MUST(symlink("program", "dir/link"));
	int dir = open("dir", O_RDONLY | O_DIRECTORY), path_dir = open("dir", O_PATH | O_DIRECTORY), file = open("dir/program", O_RDONLY), path_file = open("dir/program", O_PATH);
	run("name in a directory", dir, "program", 0);
	run("name in an O_PATH directory", path_dir, "program", 0);
	run("AT_FDCWD", AT_FDCWD, "dir/program", 0);
	run("symlink", dir, "link", 0);
	run("symlink, NOFOLLOW", dir, "link", AT_SYMLINK_NOFOLLOW);
	run("program, NOFOLLOW", dir, "program", AT_SYMLINK_NOFOLLOW);
	char full[PATH_MAX];
	MUST(readlink("/proc/self/exe", full, sizeof full - 1));
	run("O_PATH directory and no such name", path_dir, "nothing", 0);
	// The comm of an AT_EMPTY_PATH execve depends on the kernel's version, so these say their exe only through the status.
	pid_t pid = fork();
	if (pid == 0) {
		dup2(open("/dev/null", O_WRONLY), 1);
		syscall(SYS_execveat, path_file, "", (char *[]){"x", "child", NULL}, environ, AT_EMPTY_PATH);
		_exit(1);
	}
	say("AT_EMPTY_PATH with O_PATH: %s\n", wname(reap(pid)));
	pid = fork();
	if (pid == 0) {
		dup2(open("/dev/null", O_WRONLY), 1);
		fexecve(file, (char *[]){"x", "child", NULL}, environ);
		_exit(1);
	}
	say("fexecve: %s\n", wname(reap(pid)));
	MUST(unlink("dir/program"));
	pid = fork();
	if (pid == 0) {
		dup2(open("/dev/null", O_WRONLY), 1);
		fexecve(file, (char *[]){"x", "child", NULL}, environ);
		_exit(1);
	}
	say("fexecve of a deleted file: %s\n", wname(reap(pid)));
	run("its name", dir, "program", 0);
	run("the link to it", dir, "link", 0);
	return 0;
}

// execve(2) failures: permissions, paths, pointers; the caller goes on unchanged.
#include "check.h"

static char *const args[] = {"x", NULL};
static char *const no_env[] = {NULL};

#define EXEC(path) say("execve(%s) -> %s\n", #path, execve(path, args, no_env) == -1 ? ename(errno) : "?")

int main(void) {
	put("plain", "#!/bin/true\n");
	MUST(mkdir("dir", 0755));
	MUST(symlink("loop_b", "loop_a"));
	MUST(symlink("loop_a", "loop_b"));
	MUST(symlink("nowhere", "dangling"));
	MUST(mkfifo("fifo", 0777));
	EXEC("plain");
	EXEC("dir");
	EXEC("dir/");
	EXEC("");
	EXEC("missing");
	EXEC("missing/x");
	EXEC("plain/x");
	EXEC("plain/");
	EXEC("loop_a");
	EXEC("dangling");
	EXEC("fifo");
	EXEC("/dev/null");
	EXEC(WILD);
	EXEC(LOW);
	EXEC(NIL);
	static char name[PATH_MAX + 2];
	memset(name, 'n', 256);
	say("256 letter name -> %s\n", execve(name, args, no_env) == -1 ? ename(errno) : "?");
	name[255] = 0;
	say("255 letter name -> %s\n", execve(name, args, no_env) == -1 ? ename(errno) : "?");
	memset(name, '/', sizeof name - 1);
	say("4097 slashes -> %s\n", execve(name, args, no_env) == -1 ? ename(errno) : "?");
	name[4096] = 0;
	say("4096 slashes -> %s\n", execve(name, args, no_env) == -1 ? ename(errno) : "?");
	name[4095] = 0;
	say("4095 slashes -> %s\n", execve(name, args, no_env) == -1 ? ename(errno) : "?");
	say("argv wild -> %s\n", syscall(SYS_execve, "/proc/self/exe", WILD, no_env) == -1 ? ename(errno) : "?");
	say("envp wild -> %s\n", syscall(SYS_execve, "/proc/self/exe", args, WILD) == -1 ? ename(errno) : "?");
	char *bad[] = {"x", WILD, NULL};
	say("argv[1] wild -> %s\n", syscall(SYS_execve, "/proc/self/exe", bad, no_env) == -1 ? ename(errno) : "?");
	say("envp[1] wild -> %s\n", syscall(SYS_execve, "/proc/self/exe", args, bad) == -1 ? ename(errno) : "?");
	// argv that runs into an unmapped page without a NULL.
	char *edge = anon(2 * PAGE);
	MUST(munmap(edge + PAGE, PAGE));
	char **cut = (char **)(edge + PAGE) - 2;
	cut[0] = cut[1] = "x";
	say("argv cut off -> %s\n", syscall(SYS_execve, "/proc/self/exe", cut, no_env) == -1 ? ename(errno) : "?");
	memset(edge + PAGE - 4, 'p', 4);
	say("path cut off -> %s\n", syscall(SYS_execve, edge + PAGE - 4, args, no_env) == -1 ? ename(errno) : "?");
	int fd = open("dir", O_RDONLY | O_DIRECTORY);
	SHOW(syscall(SYS_execveat, 99, "x", args, no_env, 0));
	SHOW(syscall(SYS_execveat, fd, "x", args, no_env, 0));
	SHOW(syscall(SYS_execveat, fd, "", args, no_env, 0));
	SHOW(syscall(SYS_execveat, fd, "", args, no_env, AT_EMPTY_PATH));
	SHOW(syscall(SYS_execveat, fd, "x", args, no_env, 0x10));
	SHOW(syscall(SYS_execveat, AT_FDCWD, "loop_a", args, no_env, AT_SYMLINK_NOFOLLOW));
	SHOW(syscall(SYS_execveat, AT_FDCWD, "dangling", args, no_env, AT_SYMLINK_NOFOLLOW));
	int file = open("plain", O_RDONLY);
	SHOW(syscall(SYS_execveat, file, "x", args, no_env, 0));
	SHOW(syscall(SYS_execveat, file, "", args, no_env, AT_EMPTY_PATH));
	return 0;
}

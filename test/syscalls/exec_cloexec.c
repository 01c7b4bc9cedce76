// Descriptors across execve: FD_CLOEXEC closes, everything else stays with its offset and flags; a failed execve closes nothing.
#include "check.h"

static void look(const char *label, int fd) {
	int flags = fcntl(fd, F_GETFD);
	if (flags < 0) say("%s: %s\n", label, ename(errno));
	else say("%s: open, FD_CLOEXEC %d, offset %ld, append %s\n", label, flags & FD_CLOEXEC, (long)lseek(fd, 0, SEEK_CUR), yes(fcntl(fd, F_GETFL) & O_APPEND));
}

static void look_all(void) {
	look("10 plain", 10);
	look("11 O_CLOEXEC", 11);
	look("12 dup of 11", 12);
	look("13 F_DUPFD_CLOEXEC", 13);
	look("14 dup3 O_CLOEXEC", 14);
	look("15 flag set", 15);
	look("16 flag set and cleared", 16);
	look("17 append", 17);
	look("18 directory", 18);
}

int main(int argc, char **argv) {
	if (argc > 1) {
		look_all();
		return 0;
	}
	put("file", "0123456789");
	MUST(dup2(open("file", O_RDWR), 10));
	MUST(lseek(10, 3, SEEK_SET));
	int fd = open("file", O_RDWR | O_CLOEXEC);
	MUST(dup3(fd, 11, O_CLOEXEC));
	MUST(dup2(fd, 12));
	MUST(fcntl(fd, F_DUPFD_CLOEXEC, 13));
	MUST(dup3(fd, 14, O_CLOEXEC));
	MUST(dup2(fd, 15));
	MUST(fcntl(15, F_SETFD, FD_CLOEXEC));
	MUST(dup2(fd, 16));
	MUST(fcntl(16, F_SETFD, FD_CLOEXEC));
	MUST(fcntl(16, F_SETFD, 0));
	MUST(dup2(open("file", O_WRONLY | O_APPEND), 17));
	MUST(dup2(open(".", O_RDONLY), 18));
	execve("missing", argv, environ);
	say("after a failed execve\n");
	look_all();
	// The table is unshared by execve: a CLONE_FILES sibling keeps its close-on-exec descriptors.
	int go[2];
	MUST(pipe(go));
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0) {
		setenv("CHECK_KEEP", "1", 1);
		execve("/proc/self/exe", (char *[]){argv[0], "child", NULL}, environ);
		_exit(1);
	}
	say("after execve: %s\n", wname(reap(pid)));
	say("in the parent that shared the table\n");
	look_all();
	return 0;
}

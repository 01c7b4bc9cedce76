// F_GETFL and F_SETFL: what open's flags become, which can be changed, O_PATH, and F_GETFD.
#include "check.h"

static void show(const char *label, int fd) {
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0) {
		say("%s: %s\n", label, ename(errno));
		return;
	}
	static const char *modes[] = {"RDONLY", "WRONLY", "RDWR", "3"};
	say("%s: %s%s%s%s%s%s%s%s%s%s%s%s%s fd %d\n", label, modes[flags & 3], flags & O_APPEND ? " APPEND" : "", flags & O_NONBLOCK ? " NONBLOCK" : "", (flags & O_SYNC) == O_SYNC ? " SYNC" : flags & O_DSYNC ? " DSYNC" : "", flags & O_CREAT ? " CREAT" : "", flags & O_TRUNC ? " TRUNC" : "", flags & O_EXCL ? " EXCL" : "", flags & O_DIRECTORY ? " DIRECTORY" : "", flags & O_NOFOLLOW ? " NOFOLLOW" : "", flags & O_CLOEXEC ? " CLOEXEC" : "", flags & O_PATH ? " PATH" : "", flags & O_NOATIME ? " NOATIME" : "", flags & 0100000 ? " LARGEFILE" : "", fcntl(fd, F_GETFD));
}

int main(void) {
	show("O_RDWR|O_CREAT|O_EXCL|O_TRUNC", open("file", O_RDWR | O_CREAT | O_EXCL | O_TRUNC, 0644));
	show("O_WRONLY|O_APPEND", open("file", O_WRONLY | O_APPEND));
	show("O_RDONLY|O_NONBLOCK|O_CLOEXEC", open("file", O_RDONLY | O_NONBLOCK | O_CLOEXEC));
	show("O_RDWR|O_SYNC", open("file", O_RDWR | O_SYNC));
	show("O_RDWR|O_DSYNC", open("file", O_RDWR | O_DSYNC));
	show("half of O_SYNC", open("file", O_RDWR | (O_SYNC & ~O_DSYNC)));
	show("O_RDONLY|O_DIRECTORY|O_NOFOLLOW", open(".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
	show("O_RDONLY|O_NOATIME", open("file", O_RDONLY | O_NOATIME));
	show("O_PATH", open("file", O_PATH));
	show("O_PATH|O_RDWR|O_APPEND|O_CLOEXEC|O_DIRECTORY", open(".", O_PATH | O_RDWR | O_APPEND | O_CLOEXEC | O_DIRECTORY));
	show("/dev/null", open("/dev/null", O_RDWR));
	show("/dev/zero nonblock", open("/dev/zero", O_RDONLY | O_NONBLOCK));
	int fds[2];
	MUST(pipe2(fds, O_NONBLOCK));
	show("pipe", fds[0]);
	int fd = open("file", O_RDWR);
	SHOW(fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK | O_RDONLY | O_CREAT | O_TRUNC | O_SYNC | O_CLOEXEC));
	show("after F_SETFL of many", fd);
	SHOW(fcntl(fd, F_SETFL, O_NOATIME));
	show("O_NOATIME", fd);
	SHOW(fcntl(fd, F_SETFL, 0));
	show("none", fd);
	SHOW(fcntl(fd, F_SETFD, 0x7f));
	SHOW(fcntl(fd, F_GETFD));
	SHOW(fcntl(fd, F_SETFD, 0x7e));
	SHOW(fcntl(fd, F_GETFD));
	int path = open("file", O_PATH);
	SHOW(fcntl(path, F_SETFL, O_APPEND));
	SHOW(fcntl(path, F_SETFD, FD_CLOEXEC));
	SHOW(fcntl(path, F_GETFD));
	TRY(fcntl(path, F_DUPFD, 0));
	SHOW(fcntl(path, F_GETLK, &(struct flock){.l_type = F_RDLCK}));
	// O_APPEND taken away and put back acts on the next write.
	put("log", "start.");
	fd = open("log", O_WRONLY);
	MUST(write(fd, "X", 1));
	MUST(fcntl(fd, F_SETFL, O_APPEND));
	MUST(write(fd, "end", 3));
	MUST(fcntl(fd, F_SETFL, 0));
	MUST(lseek(fd, 1, SEEK_SET));
	MUST(write(fd, "Y", 1));
	say("%s\n", cat("log"));
	// F_SETOWN and F_GETOWN.
	SHOW(fcntl(fds[0], F_GETOWN));
	SHOW(fcntl(fds[0], F_SETOWN, getpid()));
	YES("owner", fcntl(fds[0], F_GETOWN) == getpid());
	SHOW(fcntl(fds[0], F_SETOWN, 4194303));
	// F_NOTIFY without events takes back what was asked for.
	int dir = open(".", O_RDONLY);
	SHOW(fcntl(dir, F_NOTIFY, 0));
	SHOW(fcntl(dir, F_NOTIFY, DN_MULTISHOT));
	// Who set the owner; hints about what is written; what leases may be.
	uid_t uids[2] = {7, 7};
	SHOW(fcntl(fds[0], 17, uids));
	say("owner set by %u %u\n", uids[0], uids[1]);
	pid_t pid = fork();
	if (pid == 0) {
		MUST(setresuid(1000, 1001, 1002));
		SHOW(fcntl(fds[0], F_SETOWN, getpid()));
		_exit(0);
	}
	reap(pid);
	SHOW(fcntl(fds[0], 17, uids));
	say("owner set by %u %u\n", uids[0], uids[1]);
	SHOW(fcntl(fds[0], 17, WILD));
	uint64_t hint = 9;
	SHOW(fcntl(fd, 1035, &hint));
	say("hint %d\n", (int)hint);
	hint = 4;
	SHOW(fcntl(fd, 1036, &hint));
	hint = 6;
	SHOW(fcntl(fd, 1036, &hint));
	SHOW(fcntl(fd, 1035, &hint));
	say("hint %d\n", (int)hint);
	SHOW(fcntl(fd, 1036, WILD));
	SHOW(fcntl(fd, F_SETLEASE, 3));
	SHOW(fcntl(fd, F_SETLEASE, -1));
	SHOW(fcntl(fd, F_SETLEASE, F_UNLCK));
	SHOW(fcntl(fd, F_NOTIFY, 0));
	return 0;
}

// /proc/self/fdinfo of every kind of descriptor: names of the lines, and values that do not depend on the host; links in /proc/self/fd.
#include "check.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

// Lines with numbers that belong to the host or the moment replaced.
static void show(const char *label, int fd) {
	char path[64], link[256] = {0};
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	if (readlink(path, link, sizeof link - 1) < 0) snprintf(link, sizeof link, "<%s>", ename(errno));
	char *bracket = strstr(link, ":[");
	if (bracket) strcpy(bracket, ":[N]");
	char *slash = link[0] == '/' ? strrchr(link, '/') : link;
	say("%s: %s\n", label, slash);
	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
	FILE *f = fopen(path, "r");
	if (f == NULL) {
		say("  <%s>\n", ename(errno));
		return;
	}
	char line[512];
	while (fgets(line, sizeof line, f)) {
		line[strcspn(line, "\n")] = 0;
		// Not in every version, or the host's.
		static const char *const skip[] = {"mnt_id:", "ino:", "eventfd-id:", "eventfd-semaphore:", "inotify wd", "tfd:", "it_value", "Pid:", "NSpid:", "lock:", "scm_fds:"};
		int host = -1;
		for (unsigned i = 0; i < COUNT(skip); i++)
			if (strncmp(line, skip[i], strlen(skip[i])) == 0) host = (int)i;
		if (host == 3 || host == 2 || host == 10) continue;
		if (host < 0) say("  %s\n", line);
		else if (host == 9) {
			// lock: 1: POSIX ADVISORY WRITE pid dev:dev:ino start end
			char kind[16], how[16], what[16], from[16], to[16];
			if (sscanf(line, "lock:\t%*d: %15s %15s %15s %*s %*s %15s %15s", kind, how, what, from, to) == 5) say("  lock %s %s %s %s %s\n", kind, how, what, from, to);
			else say("  lock? %s\n", line);
		} else if (host == 5) {
			unsigned long events, data;
			if (sscanf(line, "tfd: %*d events: %lx data: %lx pos:%*d ino:%*x sdev:%*x", &events, &data) == 2) say("  tfd events %lx data %lx\n", events, data);
			else say("  tfd? %s\n", line);
		} else if (host == 4) {
			int wd;
			unsigned long mask, ignored;
			if (sscanf(line, "inotify wd:%x ino:%*x sdev:%*x mask:%lx ignored_mask:%lx fhandle", (unsigned *)&wd, &mask, &ignored) == 3) say("  inotify %d %lx %lx\n", wd, mask, ignored);
			else say("  inotify? %s\n", line);
		} else say("  %s\n", skip[host]);
	}
	fclose(f);
}

int main(void) {
	put("file", "0123456789");
	int fd = open("file", O_RDWR | O_APPEND);
	MUST(fd);
	lseek(fd, 7, SEEK_SET);
	show("file", fd);
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 2, .l_len = 3};
	MUST(fcntl(fd, F_SETLK, &l));
	show("file with a lock", fd);
	MUST(flock(fd, LOCK_SH));
	show("file with two", fd);
	fd = open("file", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	l = (struct flock){.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 100};
	MUST(fcntl(fd, F_OFD_SETLK, &l));
	show("open file description lock", fd);
	show("directory", open(".", O_RDONLY | O_DIRECTORY));
	show("path", open("file", O_PATH));
	MUST(unlink("file"));
	char path[64], link[512];
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(path, link, sizeof link);
	YES("deleted", n > 10 && memcmp(link + n - 10, " (deleted)", 10) == 0);
	int p[2];
	MUST(pipe2(p, O_NONBLOCK));
	show("pipe r", p[0]);
	show("pipe w", p[1]);
	show("null", open("/dev/null", O_WRONLY));
	int e = eventfd(0x123, EFD_NONBLOCK);
	show("eventfd", e);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGUSR1);
	show("signalfd", signalfd(-1, &set, SFD_CLOEXEC));
	int t = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	show("timerfd", t);
	struct itimerspec its = {{3, 5}, {1000, 0}};
	MUST(timerfd_settime(t, 0, &its, NULL));
	show("timerfd armed", t);
	int ep = epoll_create1(0);
	show("epoll", ep);
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.u64 = 0x1122334455667788};
	MUST(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev));
	ev = (struct epoll_event){.events = EPOLLOUT | EPOLLONESHOT, .data.u64 = 5};
	show("epoll with one", ep);
	int other = epoll_create1(EPOLL_CLOEXEC);
	MUST(epoll_ctl(other, EPOLL_CTL_ADD, e, &ev));
	show("epoll with another", other);
	int in = inotify_init1(IN_NONBLOCK);
	show("inotify", in);
	MUST(inotify_add_watch(in, ".", IN_CREATE | IN_DELETE | IN_ONLYDIR));
	show("inotify with one", in);
	show("pidfd", (int)syscall(SYS_pidfd_open, getpid(), 0));
	show("memfd", (int)syscall(SYS_memfd_create, "name of it", 0));
	int s[2];
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	show("socket", s[0]);
	SHOW(access("/proc/self/fdinfo/999", F_OK));
	SHOW(open("/proc/self/fdinfo/0", O_WRONLY));
	return 0;
}

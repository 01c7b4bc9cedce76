// What the kernel tells of itself: messages through syslog(2) and /proc/kmsg, /proc/pressure, zones; that mounts have changed.
#include "check.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/klog.h>
#include <sys/mount.h>

static void unprivileged(void) {
	char buf[16];
	MUST(setuid(65534));
	SHOW(klogctl(2, buf, 4));
	SHOW(klogctl(4, buf, 4));
	SHOW(klogctl(5, NULL, 0));
	SHOW(klogctl(9, NULL, 0));
	SHOW(open("/proc/kmsg", O_RDONLY));
	SHOW(open("/proc/pagetypeinfo", O_RDONLY));
}

static short polled(int fd, short events) {
	struct pollfd p = {fd, events, 0};
	MUST(poll(&p, 1, 0));
	return p.revents;
}

static void *mounter(void *arg) {
	(void)arg;
	sleep_ms(20);
	mount("none", "m", "tmpfs", 0, NULL);
	return NULL;
}

static void messages(void) {
	char buf[4096];
	YES("buffer", klogctl(10, NULL, 0) > 1000);
	long n = klogctl(3, buf, sizeof buf);
	YES("messages", n > 0 && n <= (long)sizeof buf && buf[0] == '<' && memchr(buf, '\n', (size_t)n) != NULL && buf[n - 1] == '\n');
	YES("whole lines of the end", klogctl(3, buf, 100) <= 100);
	SHOW(klogctl(3, buf, 0));
	SHOW(klogctl(3, buf, -1));
	SHOW(klogctl(3, NULL, 10));
	SHOW(klogctl(2, NULL, 10));
	SHOW(klogctl(2, buf, -1));
	SHOW(klogctl(2, buf, 0));
	SHOW(klogctl(0, NULL, 0));
	SHOW(klogctl(1, NULL, 0));
	SHOW(klogctl(8, NULL, 0));
	SHOW(klogctl(8, NULL, 9));
	SHOW(klogctl(11, NULL, 0));
	SHOW(klogctl(-1, NULL, 0));
	SHOW(syscall(SYS_syslog, 3, WILD, 100));
	int fd = open("/proc/kmsg", O_RDONLY | O_NONBLOCK);
	MUST(fd);
	SHOW(write(fd, "x", 1));
	close(fd);
}

static void pressure(const char *path) {
	char text[512];
	snprintf(text, sizeof text, "%s", cat(path));
	double a, b, c;
	unsigned long long total;
	YES(path, sscanf(text, "some avg10=%lf avg60=%lf avg300=%lf total=%llu", &a, &b, &c, &total) == 4 && a <= 100 && strstr(text, "\nfull avg10=") != NULL);
}

static void triggers(void) {
	int fd = open("/proc/pressure/memory", O_RDWR | O_NONBLOCK);
	MUST(fd);
	SHOW(write(fd, "nonsense", 9));
	SHOW(write(fd, "some 0 1000000", 15));
	SHOW(write(fd, "some 2000000 1000000", 21));
	SHOW(write(fd, "some 100 100000", 16));
	SHOW(write(fd, "some 100 100000000", 19));
}

int main(void) {
	if (unshare(CLONE_NEWNS) == 0) MUST(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	child("messages", messages);
	child("unprivileged", unprivileged);
	pressure("/proc/pressure/cpu");
	pressure("/proc/pressure/memory");
	pressure("/proc/pressure/io");
	triggers();
	YES("zoneinfo", strncmp(cat("/proc/zoneinfo"), "Node 0, zone ", 13) == 0);
	YES("buddyinfo", strncmp(cat("/proc/buddyinfo"), "Node 0, zone ", 13) == 0);

	MUST(mkdir("m", 0755));
	int fd = open("/proc/self/mounts", O_RDONLY), info = open("/proc/self/mountinfo", O_RDONLY);
	say("at first %x %x\n", polled(fd, POLLIN | POLLPRI), polled(info, POLLPRI));
	MUST(mount("none", "m", "tmpfs", 0, NULL));
	say("mounted %x %x\n", polled(fd, POLLIN | POLLPRI), polled(info, POLLPRI));
	say("told %x %x\n", polled(fd, POLLIN | POLLPRI), polled(info, POLLPRI));
	MUST(mount(NULL, "m", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
	say("remounted %x\n", polled(fd, 0));
	MUST(umount2("m", 0));
	say("unmounted %x %x\n", polled(fd, 0), polled(info, POLLPRI));
	int ep = epoll_create1(0);
	struct epoll_event event = {.events = EPOLLPRI | EPOLLET, .data.u32 = 7};
	MUST(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event));
	SHOW(epoll_wait(ep, &event, 1, 0));
	pid_t pid = fork();
	if (pid == 0) {
		mounter(NULL);
		_exit(0);
	}
	SHOW(epoll_wait(ep, &event, 1, 10000));
	say("events %x\n", event.events);
	reap(pid);
	struct pollfd p = {info, POLLPRI, 0};
	SHOW(poll(&p, 1, 10000));
	say("events %x\n", p.revents);
	umount2("m", 0);
	return 0;
}

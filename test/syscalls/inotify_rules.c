// inotify: masks and flags, watch descriptors, reading, polling, the queue's limit, errors.
#include "check.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>

static char buffer[65536] __attribute__((aligned(8)));

static void drain(int ino, const char *label) {
	say("-- %s\n", label);
	ssize_t n;
	while ((n = read(ino, buffer, sizeof buffer)) > 0) {
		for (ssize_t at = 0; at < n;) {
			struct inotify_event *e = (struct inotify_event *)(buffer + at);
			say("wd %d mask %x len %u '%s'\n", e->wd, e->mask, e->len, e->len ? e->name : "");
			at += (ssize_t)(sizeof *e + e->len);
		}
	}
	if (errno != EAGAIN) say("read: %s\n", ename(errno));
}

static void touch(const char *path) { close(open(path, O_RDONLY | O_CREAT, 0600)); }

int main(void) {
	MUST(mkdir("d", 0755));
	touch("f");
	SHOW(inotify_init1(1));
	int ino = inotify_init1(IN_NONBLOCK);
	SHOW(fcntl(ino, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
	SHOW(fcntl(ino, F_GETFD));
	int plain = inotify_init();
	SHOW(fcntl(plain, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
	close(plain);

	SHOW(inotify_add_watch(-1, "d", IN_OPEN));
	SHOW(inotify_add_watch(1, "d", IN_OPEN));
	SHOW(inotify_add_watch(ino, "none", IN_OPEN));
	SHOW(inotify_add_watch(ino, "", IN_OPEN));
	SHOW(inotify_add_watch(ino, "f/x", IN_OPEN));
	SHOW(inotify_add_watch(ino, WILD, IN_OPEN));
	SHOW(inotify_add_watch(ino, "d", 0));
	SHOW(inotify_add_watch(ino, "d", 0x00100000));
	SHOW(inotify_add_watch(ino, "d", IN_OPEN | 0x00010000));
	SHOW(inotify_add_watch(ino, "d", IN_OPEN | IN_MASK_ADD | IN_MASK_CREATE));
	SHOW(inotify_add_watch(ino, "f", IN_OPEN | IN_ONLYDIR));
	SHOW(inotify_rm_watch(ino, 1));
	SHOW(inotify_rm_watch(ino, -1));
	SHOW(inotify_rm_watch(1, 1));
	SHOW(inotify_rm_watch(-1, 1));

	SHOW(inotify_add_watch(ino, "d", IN_CREATE));
	SHOW(inotify_add_watch(ino, "./d/../d", IN_CREATE));
	SHOW(inotify_add_watch(ino, "d", IN_CREATE | IN_MASK_CREATE));
	SHOW(inotify_add_watch(ino, "f", IN_OPEN));
	SHOW(inotify_rm_watch(ino, 2));
	SHOW(inotify_rm_watch(ino, 2));
	SHOW(inotify_add_watch(ino, "f", IN_OPEN));
	drain(ino, "ignored 2");
	touch("d/one");
	drain(ino, "only creation");
	SHOW(inotify_add_watch(ino, "d", IN_OPEN));
	touch("d/two");
	drain(ino, "replaced: only open");
	SHOW(inotify_add_watch(ino, "d", IN_CREATE | IN_MASK_ADD));
	touch("d/three");
	drain(ino, "added: both");

	MUST(symlink("f", "sym"));
	SHOW(inotify_add_watch(ino, "sym", IN_OPEN | IN_MASK_ADD));
	SHOW(inotify_add_watch(ino, "sym", IN_ATTRIB | IN_DONT_FOLLOW));
	MUST(lchown("sym", 0, 0));
	drain(ino, "the link itself");

	SHOW(inotify_add_watch(ino, "f", IN_OPEN | IN_ONESHOT));
	touch("f");
	touch("f");
	drain(ino, "one shot");
	SHOW(inotify_rm_watch(ino, 3));

	// Unlinked children.
	int fd = open("d/one", O_RDWR);
	SHOW(inotify_add_watch(ino, "d", IN_MODIFY | IN_CLOSE | IN_DELETE));
	MUST(unlink("d/one"));
	MUST(write(fd, "x", 1));
	drain(ino, "unlinked child");
	SHOW(inotify_add_watch(ino, "d", IN_MODIFY | IN_CLOSE | IN_EXCL_UNLINK));
	MUST(write(fd, "x", 1));
	close(fd);
	drain(ino, "unlinked child, excluded");

	// Names of all lengths, and buffers.
	SHOW(inotify_add_watch(ino, "d", IN_CREATE));
	char name[300] = "d/";
	static const int lengths[] = {1, 14, 15, 16, 17, 31, 32, 255};
	for (size_t i = 0; i < COUNT(lengths); i++) {
		memset(name + 2, 'n', (size_t)lengths[i]);
		name[2 + lengths[i]] = 0;
		touch(name);
		int bytes = 0;
		MUST(ioctl(ino, FIONREAD, &bytes));
		ssize_t n = read(ino, buffer, sizeof buffer);
		say("length %d: FIONREAD %d read %zd len %u\n", lengths[i], bytes, n, ((struct inotify_event *)buffer)->len);
	}
	touch("d/short");
	touch("d/short2");
	SHOW(read(ino, buffer, 0));
	SHOW(read(ino, buffer, 15));
	SHOW(read(ino, buffer, 16));
	SHOW(read(ino, buffer, 31));
	SHOW(read(ino, buffer, 63));
	SHOW(read(ino, WILD, 64));
	SHOW(read(ino, buffer, 64));
	SHOW(read(ino, buffer, 64));
	SHOW(write(ino, buffer, 16));
	SHOW(lseek(ino, 0, SEEK_SET));
	SHOW(pread(ino, buffer, 16, 0));

	// Readiness.
	struct pollfd p = {ino, POLLIN | POLLOUT, 0};
	SHOW(poll(&p, 1, 0));
	int ep = epoll_create1(0);
	struct epoll_event event = {EPOLLIN, {0}};
	MUST(epoll_ctl(ep, EPOLL_CTL_ADD, ino, &event));
	SHOW(epoll_wait(ep, &event, 1, 0));
	touch("d/ready");
	SHOW(poll(&p, 1, -1));
	SHOW(p.revents);
	SHOW(epoll_wait(ep, &event, 1, -1));
	drain(ino, "ready");
	SHOW(epoll_wait(ep, &event, 1, 0));

	// A reader waits for an event of another process.
	MUST(fcntl(ino, F_SETFL, 0));
	pid_t pid = fork();
	if (pid == 0) {
		sleep_ms(20);
		touch("d/later");
		_exit(0);
	}
	SHOW(read(ino, buffer, sizeof buffer));
	reap(pid);
	MUST(fcntl(ino, F_SETFL, O_NONBLOCK));

	// The two events alternate, so that they are not taken for one: the queue overflows.
	SHOW(inotify_add_watch(ino, "f", IN_OPEN | IN_CLOSE));
	int limit = atoi(cat("/proc/sys/fs/inotify/max_queued_events"));
	for (int i = 0; i < limit / 2 + 10; i++) touch("f");
	int events = 0, overflows = 0, last = 0;
	ssize_t n;
	while ((n = read(ino, buffer, sizeof buffer)) > 0) {
		for (ssize_t at = 0; at < n;) {
			struct inotify_event *e = (struct inotify_event *)(buffer + at);
			if (e->mask == IN_Q_OVERFLOW) {
				overflows++;
				last = e->wd;
			} else {
				events++;
			}
			at += (ssize_t)(sizeof *e + e->len);
		}
	}
	YES("as many as the limit says", events == limit);
	say("%d overflows, wd %d\n", overflows, last);
	touch("f");
	drain(ino, "after the overflow");

	// Two instances.
	int other = inotify_init1(IN_NONBLOCK);
	SHOW(inotify_add_watch(other, "f", IN_OPEN));
	touch("f");
	drain(ino, "first instance");
	drain(other, "second instance");
	close(other);
	touch("f");
	drain(ino, "first alone");

	// Not readable: no watch.
	MUST(chmod("f", 0));
	pid = fork();
	if (pid == 0) {
		MUST(setuid(1));
		SHOW(inotify_add_watch(ino, "f", IN_OPEN));
		_exit(0);
	}
	reap(pid);
	return 0;
}

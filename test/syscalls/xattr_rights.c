// Extended attributes: who may set and remove them, on files in memory, pipes, and files of no file system, which security modules do
// not look at; capabilities without a value.
#include "check.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/xattr.h>

static void look(const char *kind, int fd) {
	static const char *const names[] = {"security.z", "security.capability", "security.", "trusted.x", "user.x", "other"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char value[8];
		say("  %s, %s:", kind, names[i]);
		ssize_t n = fgetxattr(fd, names[i], value, sizeof value);
		say(" get %s", n < 0 ? ename(errno) : "ok");
		say(", set nothing %s", fsetxattr(fd, names[i], "", 0, 0) < 0 ? ename(errno) : "ok");
		say(", set %s", fsetxattr(fd, names[i], "ab", 2, 0) < 0 ? ename(errno) : "ok");
		say(", remove %s\n", fremovexattr(fd, names[i]) < 0 ? ename(errno) : "ok");
	}
}

int main(void) {
	sigset_t set;
	sigemptyset(&set);
	for (int user = 0; user < 2; user++) {
		int ends[2];
		MUST(pipe(ends));
		int memory = memfd_create("m", 0), counter = eventfd(0, 0), poll = epoll_create1(0), watch = inotify_init1(0);
		int timer = timerfd_create(CLOCK_MONOTONIC, 0), signals = signalfd(-1, &set, 0);
		say(user ? "another user\n" : "root\n");
		if (user) {
			MUST(fchown(memory, 1, 1));
			MUST(setresuid(0, 1, 1));
		}
		look("memory", memory);
		look("pipe", ends[0]);
		look("eventfd", counter);
		look("epoll", poll);
		look("inotify", watch);
		look("timerfd", timer);
		look("signalfd", signals);
	}
	return 0;
}

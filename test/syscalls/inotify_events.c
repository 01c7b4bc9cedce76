// inotify: the events of every operation, on a watched directory, on watched files, and on both at once.
#include "check.h"
#include <poll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/un.h>
#include <sys/socket.h>
#include <sys/xattr.h>

static int ino;
static uint32_t cookies[64];
static int cookie_count;

static const struct {
	uint32_t bit;
	const char *name;
} names[] = {{IN_ACCESS, "ACCESS"}, {IN_MODIFY, "MODIFY"}, {IN_ATTRIB, "ATTRIB"}, {IN_CLOSE_WRITE, "CLOSE_WRITE"},
	{IN_CLOSE_NOWRITE, "CLOSE_NOWRITE"}, {IN_OPEN, "OPEN"}, {IN_MOVED_FROM, "MOVED_FROM"}, {IN_MOVED_TO, "MOVED_TO"},
	{IN_CREATE, "CREATE"}, {IN_DELETE, "DELETE"}, {IN_DELETE_SELF, "DELETE_SELF"}, {IN_MOVE_SELF, "MOVE_SELF"},
	{IN_UNMOUNT, "UNMOUNT"}, {IN_Q_OVERFLOW, "Q_OVERFLOW"}, {IN_IGNORED, "IGNORED"}, {IN_ISDIR, "ISDIR"}};

// A cookie's number in order of appearance.
static int cookie_number(uint32_t c) {
	for (int i = 0; i < cookie_count; i++) if (cookies[i] == c) return i + 1;
	cookies[cookie_count++] = c;
	return cookie_count;
}

static void drain(const char *label) {
	char buffer[8192] __attribute__((aligned(8)));
	say("-- %s\n", label);
	for (;;) {
		ssize_t n = read(ino, buffer, sizeof buffer);
		if (n < 0) {
			if (errno != EAGAIN) say("read: %s\n", ename(errno));
			return;
		}
		for (ssize_t at = 0; at < n;) {
			struct inotify_event *e = (struct inotify_event *)(buffer + at);
			char text[256] = "";
			for (size_t i = 0; i < COUNT(names); i++)
				if (e->mask & names[i].bit) {
					strcat(text, " ");
					strcat(text, names[i].name);
				}
			say("wd %d%s cookie %d len %u name '%s'\n", e->wd, text, e->cookie == 0 ? 0 : cookie_number(e->cookie), e->len, e->len ? e->name : "");
			at += (ssize_t)(sizeof *e + e->len);
		}
	}
}

int main(void) {
	ino = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	YES("made", ino >= 0);
	MUST(mkdir("d", 0755));
	SHOW(inotify_add_watch(ino, "d", IN_ALL_EVENTS));

	int fd = open("d/file", O_RDWR | O_CREAT, 0644);
	drain("create and open");
	MUST(write(fd, "hello", 5));
	drain("write");
	MUST(pwrite(fd, "hello", 5, 3));
	MUST(pwrite(fd, "hello", 5, 3));
	drain("two writes are one event");
	char buffer[64];
	lseek(fd, 0, SEEK_SET);
	MUST(read(fd, buffer, 3));
	drain("read");
	SHOW(read(fd, buffer, 0));
	lseek(fd, 100, SEEK_SET);
	SHOW(read(fd, buffer, 10));
	drain("reads of nothing");
	SHOW(write(fd, buffer, 0));
	drain("a write of nothing");
	MUST(fchmod(fd, 0600));
	drain("fchmod");
	MUST(ftruncate(fd, 2));
	drain("ftruncate");
	MUST(ftruncate(fd, 2));
	drain("ftruncate to the same size");
	MUST(fallocate(fd, 0, 0, 100));
	drain("fallocate");
	struct timespec both[2] = {{1000, 0}, {2000, 0}}, access_only[2] = {{1000, 0}, {0, UTIME_OMIT}}, change_only[2] = {{0, UTIME_OMIT}, {2000, 0}}, none[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}};
	MUST(futimens(fd, both));
	drain("both times");
	MUST(futimens(fd, access_only));
	drain("atime");
	MUST(futimens(fd, change_only));
	drain("mtime");
	MUST(futimens(fd, none));
	drain("no time");
	close(fd);
	drain("close a writer");
	fd = open("d/file", O_RDONLY);
	int copy = dup(fd);
	close(fd);
	drain("open to read, one of two closed");
	close(copy);
	drain("the other");
	fd = open("d/file", O_PATH);
	close(fd);
	drain("O_PATH");
	SHOW(open("d/none", O_RDONLY));
	SHOW(open("d/file", O_CREAT | O_EXCL, 0644));
	drain("failures");

	MUST(chmod("d/file", 0644));
	MUST(chown("d/file", 1, 1));
	drain("chmod, chown: the same event");
	MUST(truncate("d/file", 3));
	drain("truncate");
	SHOW(utimensat(AT_FDCWD, "d/file", NULL, 0));
	drain("utimensat now");
	if (setxattr("d/file", "trusted.t", "v", 1, 0) == 0) {
		removexattr("d/file", "trusted.t");
	}
	drain("xattrs");
	MUST(link("d/file", "d/second"));
	drain("link");
	MUST(symlink("file", "d/sym"));
	drain("symlink");
	MUST(lchown("d/sym", 0, 0));
	drain("lchown");
	MUST(mknod("d/fifo", S_IFIFO | 0600, 0));
	drain("mkfifo");
	int sock = socket(AF_UNIX, SOCK_STREAM, 0);
	struct sockaddr_un address = {AF_UNIX, "d/socket"};
	MUST(bind(sock, (struct sockaddr *)&address, sizeof address));
	close(sock);
	drain("bind");
	MUST(unlink("d/socket"));
	MUST(unlink("d/fifo"));
	MUST(unlink("d/sym"));
	drain("unlinks");

	MUST(mkdir("d/sub", 0755));
	drain("mkdir");
	put("d/sub/inner", "x");
	drain("a file further down");
	MUST(chmod("d/sub", 0700));
	drain("chmod of a directory");
	fd = open("d/sub", O_RDONLY | O_DIRECTORY);
	MUST(syscall(SYS_getdents64, fd, buffer, sizeof buffer));
	close(fd);
	drain("reading a directory below");
	fd = open("d", O_RDONLY | O_DIRECTORY);
	MUST(syscall(SYS_getdents64, fd, buffer, sizeof buffer));
	close(fd);
	drain("reading the watched directory");
	MUST(chmod("d", 0700));
	drain("chmod of the watched directory");

	MUST(rename("d/file", "d/renamed"));
	drain("rename within");
	MUST(rename("d/renamed", "out"));
	drain("rename out");
	MUST(rename("out", "d/in"));
	drain("rename in");
	MUST(rename("d/sub", "d/dir"));
	drain("rename of a directory");
	SHOW(rename("d/in", "d/second"));
	drain("rename to another name of itself");
	put("d/old", "1");
	put("d/new", "2");
	drain("two files");
	MUST(rename("d/old", "d/new"));
	drain("rename over");
	put("d/old", "1");
	drain("one more");
	MUST(renameat2(AT_FDCWD, "d/old", AT_FDCWD, "d/new", RENAME_EXCHANGE));
	drain("exchange");

	SHOW(inotify_add_watch(ino, "d/new", IN_ALL_EVENTS));
	SHOW(inotify_add_watch(ino, "d/dir", IN_ALL_EVENTS));
	fd = open("d/new", O_RDWR);
	MUST(write(fd, "y", 1));
	close(fd);
	drain("a file with a watch of its own");
	MUST(chmod("d/new", 0600));
	drain("its mode");
	MUST(rename("d/new", "d/moved"));
	drain("its name");
	MUST(link("d/moved", "d/again"));
	drain("a second name");
	MUST(unlink("d/again"));
	drain("the second name goes");
	fd = open("d/moved", O_RDONLY);
	MUST(unlink("d/moved"));
	drain("unlinked while open");
	MUST(read(fd, buffer, 1));
	drain("and read");
	close(fd);
	drain("and closed");
	SHOW(inotify_rm_watch(ino, 2));

	MUST(unlink("d/dir/inner"));
	drain("unlink below");
	MUST(rename("d/dir", "dir"));
	drain("a watched directory moves away");
	MUST(rmdir("dir"));
	drain("and is removed");

	put("d/a", "1");
	put("d/b", "2");
	SHOW(inotify_add_watch(ino, "d/b", IN_ALL_EVENTS));
	drain("files");
	MUST(rename("d/a", "d/b"));
	drain("rename over a watched file");
	fd = open("d/b", O_RDONLY);
	int to = open("d/copy", O_RDWR | O_CREAT, 0600);
	drain("for sendfile");
	SHOW(sendfile(to, fd, NULL, 10));
	drain("sendfile");
	off_t from = 0;
	SHOW(copy_file_range(fd, &from, to, NULL, 10, 0));
	drain("copy_file_range");
	close(fd);
	close(to);
	drain("closed");
	MUST(unlink("d/copy"));
	MUST(unlink("d/b"));
	MUST(unlink("d/second"));
	MUST(unlink("d/in"));
	MUST(unlink("d/old"));
	drain("cleaning");
	MUST(rmdir("d"));
	drain("the watched directory itself");
	SHOW(inotify_rm_watch(ino, 1));
	return 0;
}

// What reading and writing tell watches and how they change times, whatever comes of them: nothing read, bad buffers, directories,
// links, pipes with a name, what is moved between files.
#include "check.h"
#include <sys/inotify.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

static int ino;
static char buffer[400000];

static void events(void) {
	static char text[65536] __attribute__((aligned(8)));
	ssize_t n;
	while ((n = read(ino, text, sizeof text)) > 0) {
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *e = (const struct inotify_event *)(text + at);
			say(" %d:%x%s%s", e->wd, e->mask, e->len ? ":" : "", e->len ? e->name : "");
			at += (ssize_t)(sizeof *e + e->len);
		}
	}
}

// Long ago, so that each access counts.
static void reset(const char *path) {
	struct timespec old[2] = {{1000, 0}, {1000, 0}};
	MUST(utimensat(AT_FDCWD, path, old, AT_SYMLINK_NOFOLLOW));
	static char text[65536];
	while (read(ino, text, sizeof text) > 0) continue;
}

static void show(const char *path, const char *call, long result) {
	int error = errno;
	struct stat st;
	say("%s = ", call);
	if (result == -1) say("%s:", ename(error));
	else say("%ld:", result);
	events();
	MUST(lstat(path, &st));
	say(" atime %s mtime %s\n", st.st_atim.tv_sec == 1000 ? "old" : "new", st.st_mtim.tv_sec == 1000 ? "old" : "new");
}

// A call, its events, and which times of the file at `path` it has changed.
#define AT(path, call) (reset(path), show(path, #call, (long)(call)))

static long getdents(int fd, void *to, size_t size) { return syscall(SYS_getdents64, fd, to, size); }

static void reads(int f) {
	char *bad = (char *)8;
	struct iovec nothing[2] = {{buffer, 0}, {buffer, 0}}, half[2] = {{buffer, 3}, {bad, 3}}, wrong[2] = {{bad, 3}, {buffer, 3}};
	lseek(f, 0, SEEK_SET);
	AT("d/f", read(f, buffer, 5));
	AT("d/f", read(f, bad, 5));
	AT("d/f", read(f, buffer, 100));
	AT("d/f", read(f, buffer, 100));
	AT("d/f", pread(f, buffer, 5, 0));
	AT("d/f", pread(f, buffer, 5, 100));
	AT("d/f", pread(f, bad, 5, 0));
	AT("d/f", pread(f, buffer, 5, -1));
	lseek(f, 0, SEEK_SET);
	AT("d/f", readv(f, nothing, 2));
	AT("d/f", readv(f, half, 2));
	AT("d/f", readv(f, wrong, 2));
	AT("d/f", readv(f, nothing, 0));
	AT("d/f", preadv(f, half, 1, 50));
	AT("d/f", preadv(f, nothing, 1, 50));
}

static void writes(int g) {
	char *bad = (char *)8;
	struct iovec nothing[2] = {{buffer, 0}, {buffer, 0}}, half[2] = {{buffer, 3}, {bad, 3}}, wrong[2] = {{bad, 3}, {buffer, 3}};
	AT("d/g", write(g, buffer, 0));
	AT("d/g", write(g, buffer, 5));
	AT("d/g", write(g, bad, 5));
	AT("d/g", pwrite(g, buffer, 0, 0));
	AT("d/g", writev(g, nothing, 2));
	AT("d/g", writev(g, half, 2));
	AT("d/g", writev(g, wrong, 2));
	AT("d/g", writev(g, nothing, 0));
}

static void moves(int f, int g, int p) {
	int pipes[2];
	MUST(pipe2(pipes, O_NONBLOCK));
	lseek(f, 0, SEEK_SET);
	AT("d/f", sendfile(g, f, NULL, 5));
	AT("d/f", sendfile(g, f, NULL, 0));
	AT("d/f", sendfile(g, f, NULL, 100));
	AT("d/f", sendfile(g, f, NULL, 100));
	off_t at = 0;
	AT("d/g", sendfile(g, f, &at, 4));
	AT("d/f", sendfile(p, f, NULL, 4));
	at = 2;
	AT("d/f", sendfile(p, f, &at, 4));
	at = 0;
	AT("d/f", splice(p, NULL, f, &at, 4, 0));
	at = 0;
	AT("d/p", splice(f, &at, p, NULL, 5, 0));
	AT("d/p", splice(f, &at, p, NULL, 0, 0));
	at = 1000;
	AT("d/p", splice(f, &at, p, NULL, 5, 0));
	AT("d/p", splice(p, NULL, pipes[1], NULL, 3, 0));
	AT("d/p", splice(pipes[0], NULL, p, NULL, 2, 0));
	AT("d/p", tee(p, pipes[1], 2, 0));
	AT("d/p", tee(pipes[0], p, 1, 0));
	struct iovec v = {buffer, 7};
	AT("d/p", vmsplice(p, &v, 1, 0));
	AT("d/p", read(p, buffer, 100));
	AT("d/p", read(p, buffer, 100));
	AT("d/p", read(p, buffer, 0));
	AT("d/p", write(p, buffer, 0));
	AT("d/p", write(p, buffer, 10));
	AT("d/p", write(p, (char *)8, 10));
	loff_t from = 0, to = 0;
	AT("d/f", copy_file_range(f, &from, g, &to, 5, 0));
	AT("d/g", copy_file_range(f, &from, g, &to, 0, 0));
	from = 1000;
	AT("d/g", copy_file_range(f, &from, g, &to, 5, 0));
	// Only pipes with a name have times.
	struct stat before, after;
	MUST(fstat(pipes[0], &before));
	sleep_ms(25);
	MUST(write(pipes[1], buffer, 10));
	MUST(read(pipes[0], buffer, 10));
	MUST(fstat(pipes[0], &after));
	YES("a pipe's times stay", memcmp(&before.st_atim, &after.st_atim, 3 * sizeof before.st_atim) == 0);
}

static void lists(int d) {
	AT("d", getdents(d, buffer, 20));
	AT("d", getdents(d, buffer, 0));
	AT("d", getdents(d, (char *)8, 4096));
	lseek(d, 0, SEEK_SET);
	AT("d", getdents(d, buffer, 24));
	lseek(d, 0, SEEK_SET);
	AT("d", getdents(d, buffer, 4096) > 0);
	AT("d", getdents(d, buffer, 4096));
	AT("d", getdents(d, buffer, 10));
	MUST(mkdir("d/gone", 0755));
	int gone = open("d/gone", O_RDONLY);
	MUST(rmdir("d/gone"));
	AT("d", getdents(gone, buffer, 4096));
}

static void links(void) {
	struct stat st;
	AT("d/s", readlink("d/s", buffer, 10));
	AT("d/s", readlink("d/s", buffer, 1));
	AT("d/s", readlink("d/s", (char *)8, 10));
	AT("d/s", syscall(SYS_readlink, "d/s", buffer, 0));
	AT("d/s", access("d/s", F_OK));
	AT("d/s", stat("d/s", &st));
	AT("d/s", lstat("d/s", &st));
	AT("d/s", stat("d/t/f", &st));
	AT("d/t", stat("d/t/f", &st));
	AT("d/s", close(open("d/s", O_RDONLY)));
	AT("d/s", close(open("d/s", O_RDWR | O_CREAT, 0600)));
	AT("d/s", open("d/s", O_RDONLY | O_NOFOLLOW));
	AT("d/s", close(open("d/s", O_PATH | O_NOFOLLOW)));
	AT("d/s", readlink("d/s/", buffer, 10));
}

int main(void) {
	ino = inotify_init1(IN_NONBLOCK);
	MUST(mkdir("d", 0755));
	int f = open("d/f", O_RDWR | O_CREAT, 0644);
	MUST(write(f, "0123456789", 10));
	int g = open("d/g", O_RDWR | O_CREAT, 0644);
	MUST(symlink("f", "d/s"));
	MUST(symlink(".", "d/t"));
	MUST(mkfifo("d/p", 0600));
	int p = open("d/p", O_RDWR | O_NONBLOCK), d = open("d", O_RDONLY);
	MUST(inotify_add_watch(ino, "d", IN_ALL_EVENTS));
	MUST(inotify_add_watch(ino, "d/f", IN_ALL_EVENTS));
	MUST(inotify_add_watch(ino, "d/p", IN_ALL_EVENTS));
	reads(f);
	writes(g);
	moves(f, g, p);
	lists(d);
	links();
	// Devices that do not look at what they are given.
	static const char *names[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/urandom"};
	for (size_t i = 0; i < COUNT(names); i++) {
		int device = open(names[i], O_RDWR);
		struct iovec wrong[2] = {{(char *)8, 3}, {buffer, 3}}, half[2] = {{buffer, 3}, {(char *)8, 3}}, far[1] = {{KERNEL_HALF, 3}};
		say("%s\n", names[i]);
		SHOW(write(device, (char *)8, 10));
		SHOW(write(device, KERNEL_HALF, 10));
		SHOW(pwrite(device, (char *)8, 10, 5));
		SHOW(writev(device, wrong, 2));
		SHOW(writev(device, half, 2));
		SHOW(writev(device, far, 1));
		SHOW(read(device, (char *)8, 10));
		SHOW(readv(device, half, 2));
	}
	return 0;
}

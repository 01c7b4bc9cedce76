// splice, tee, vmsplice, copy_file_range: data, offsets, errors, blocking.
#include "check.h"
#include <sys/eventfd.h>
#include <sys/uio.h>

static int from[2], to[2];

static void show(const char *label, int fd) {
	char text[64] = {0};
	ssize_t n = read(fd, text, sizeof text - 1);
	say("%s: %zd [%s]\n", label, n, n > 0 ? text : "");
}

static void feeder(void) {
	sleep_ms(50);
	MUST(write(from[1], "late", 4));
}

static void drainer(void) {
	char text[8192];
	sleep_ms(50);
	MUST(read(to[0], text, sizeof text));
}

int main(void) {
	put("f", "hello world");
	int f = open("f", O_RDWR), g = open("g", O_RDWR | O_CREAT, 0644), ro = open("f", O_RDONLY);
	int append = open("a", O_RDWR | O_CREAT | O_APPEND, 0644), dir = open(".", O_RDONLY), path = open("f", O_PATH);
	int event = eventfd(1, 0);
	MUST(pipe(from));
	MUST(pipe(to));
	off_t off = 6;
	SHOW(splice(f, &off, from[1], NULL, 100, 0));
	SHOW(off);
	SHOW(lseek(f, 0, SEEK_CUR));
	SHOW(splice(f, NULL, from[1], NULL, 5, 0));
	SHOW(lseek(f, 0, SEEK_CUR));
	SHOW(tee(from[0], to[1], 3, 0));
	show("tee", to[0]);
	SHOW(splice(from[0], NULL, to[1], NULL, 4, 0));
	show("pipe to pipe", to[0]);
	SHOW(splice(from[0], NULL, g, NULL, 3, 0));
	off = 8;
	SHOW(splice(from[0], NULL, g, &off, 100, 0));
	SHOW(off);
	SHOW(lseek(g, 0, SEEK_CUR));
	say("%d\n", (int)lseek(g, 0, SEEK_END));
	MUST(lseek(g, 0, SEEK_SET));
	char text[16] = {0};
	SHOW(read(g, text, 3));
	say("%s\n", text);
	SHOW(pread(g, text, 3, 8));
	say("%s\n", text);
	// What is refused.
	SHOW(splice(99, NULL, from[1], NULL, 0, 0));
	SHOW(splice(99, NULL, from[1], NULL, 5, 0));
	SHOW(splice(f, NULL, 99, NULL, 5, 0));
	SHOW(splice(path, NULL, from[1], NULL, 5, 0));
	SHOW(splice(f, NULL, g, NULL, 5, 0));
	SHOW(splice(f, NULL, from[1], NULL, 5, 0x10));
	SHOW(splice(f, NULL, from[1], &off, 5, 0));
	SHOW(splice(from[0], &off, to[1], NULL, 5, 0));
	SHOW(splice(f, LOW, from[1], NULL, 5, 0));
	SHOW(splice(from[1], NULL, to[1], NULL, 5, 0));
	SHOW(splice(from[0], NULL, from[1], NULL, 5, SPLICE_F_NONBLOCK));
	SHOW(splice(from[0], NULL, to[1], NULL, 5, SPLICE_F_NONBLOCK));
	SHOW(splice(from[0], NULL, append, NULL, 5, SPLICE_F_NONBLOCK));
	SHOW(splice(from[0], NULL, ro, NULL, 5, 0));
	SHOW(splice(event, NULL, from[1], NULL, 8, 0));
	SHOW(splice(dir, NULL, from[1], NULL, 8, 0));
	off = -1;
	SHOW(splice(f, &off, from[1], NULL, 5, 0));
	SHOW(tee(f, to[1], 5, 0));
	SHOW(tee(from[0], from[1], 5, 0));
	SHOW(tee(from[0], to[1], 0, 0));
	SHOW(tee(from[0], to[1], 5, 0x10));
	SHOW(tee(from[0], to[1], 5, SPLICE_F_NONBLOCK));
	// Waiting.
	pid_t pid = spawn(feeder);
	SHOW(splice(from[0], NULL, to[1], NULL, 100, 0));
	reap(pid);
	show("late", to[0]);
	static char big[65536];
	SHOW(write(to[1], big, sizeof big));
	SHOW(splice(f, NULL, to[1], NULL, 5, SPLICE_F_NONBLOCK));
	pid = spawn(drainer);
	MUST(lseek(f, 0, SEEK_SET));
	SHOW(splice(f, NULL, to[1], NULL, 5, 0));
	reap(pid);
	// Memory.
	struct iovec piece = {"memory", 6};
	SHOW(vmsplice(from[1], &piece, 1, 0));
	piece = (struct iovec){text, 16};
	SHOW(vmsplice(from[0], &piece, 1, 0));
	say("%.6s\n", text);
	SHOW(vmsplice(f, &piece, 1, 0));
	SHOW(vmsplice(from[1], &piece, 1025, 0));
	SHOW(vmsplice(from[1], &piece, 0, 0));
	// No writers, no readers.
	signal(SIGPIPE, SIG_IGN);
	close(from[1]);
	SHOW(splice(from[0], NULL, to[1], NULL, 5, 0));
	close(to[0]);
	SHOW(splice(f, NULL, to[1], NULL, 5, 0));
	// Between files.
	off_t in = 0, out = 20;
	MUST(ftruncate(g, 0));
	MUST(lseek(g, 0, SEEK_SET));
	MUST(lseek(f, 0, SEEK_SET));
	SHOW(copy_file_range(f, NULL, g, NULL, 100, 0));
	SHOW(copy_file_range(f, NULL, g, NULL, 100, 0));
	SHOW(copy_file_range(f, &in, f, &out, 5, 0));
	say("%d %d\n", (int)in, (int)out);
	out = 7;
	SHOW(copy_file_range(f, &in, f, &out, 5, 0));
	SHOW(copy_file_range(f, &in, append, NULL, 5, 0));
	SHOW(copy_file_range(f, &in, ro, NULL, 5, 0));
	SHOW(copy_file_range(f, &in, to[1], NULL, 5, 0));
	SHOW(copy_file_range(dir, NULL, g, NULL, 5, 0));
	SHOW(copy_file_range(f, NULL, dir, NULL, 5, 0));
	SHOW(copy_file_range(f, NULL, g, NULL, 5, 1));
	SHOW(copy_file_range(99, NULL, g, NULL, 5, 1));
	SHOW(copy_file_range(f, LOW, g, NULL, 5, 0));
	in = -1;
	SHOW(copy_file_range(f, &in, g, NULL, 5, 0));
	in = 0;
	SHOW(copy_file_range(f, &in, g, NULL, 0, 0));
	return 0;
}

// truncate, ftruncate, fallocate, copy_file_range, fsync family: sizes, zeros, errors.
#include "check.h"

static long size_of(const char *path) {
	struct stat st;
	MUST(stat(path, &st));
	return (long)st.st_size;
}

static unsigned mode_of(const char *path) {
	struct stat st;
	MUST(stat(path, &st));
	return st.st_mode;
}

int main(void) {
	char text[32];
	put("f", "0123456789");
	SHOW(truncate("f", 4));
	say("%s %ld\n", cat("f"), size_of("f"));
	SHOW(truncate("f", 8));
	int fd = open("f", O_RDWR);
	SHOW(read(fd, text, 20));
	for (int i = 0; i < 8; i++) say("%02x ", text[i]);
	say("\n");
	SHOW(ftruncate(fd, 0));
	SHOW(lseek(fd, 0, SEEK_CUR));
	SHOW(write(fd, "x", 1));
	say("size %ld\n", size_of("f"));
	SHOW(pread(fd, text, 20, 0));
	say("%d %c\n", text[0], text[8]);
	SHOW(truncate("f", -1));
	SHOW(ftruncate(fd, -1));
	SHOW(truncate("missing", 0));
	SHOW(truncate(".", 0));
	SHOW(truncate("f/x", 0));
	SHOW(truncate("", 0));
	SHOW(truncate(WILD, 0));
	SHOW(ftruncate(open("f", O_RDONLY), 0));
	SHOW(ftruncate(99, 0));
	SHOW(ftruncate(open(".", O_RDONLY), 0));
	SHOW(ftruncate(open("/dev/null", O_RDWR), 0));
	// An open append descriptor after truncation writes at the new end.
	int append = open("f", O_WRONLY | O_APPEND);
	MUST(truncate("f", 2));
	SHOW(write(append, "AB", 2));
	say("size %ld\n", size_of("f"));
	// Set-ID bits go by the rights of who truncates, not of who opened the file.
	put("s", "abc");
	MUST(chmod("s", 06755));
	int set_id = open("s", O_RDWR);
	SHOW(ftruncate(set_id, 2));
	say("mode %o\n", mode_of("s"));
	MUST(seteuid(1));
	SHOW(ftruncate(set_id, 1));
	MUST(seteuid(0));
	say("mode %o\n", mode_of("s"));
	// fallocate
	put("a", "abc");
	int a = open("a", O_RDWR);
	SHOW(fallocate(a, 0, 0, 100));
	say("size %ld\n", size_of("a"));
	SHOW(fallocate(a, 1, 0, 1000));
	say("size %ld\n", size_of("a"));
	SHOW(fallocate(a, 0, -1, 10));
	SHOW(fallocate(a, 0, 0, 0));
	SHOW(fallocate(a, 0x1000, 0, 10));
	SHOW(fallocate(open("a", O_RDONLY), 0, 0, 10));
	int fds[2];
	MUST(pipe(fds));
	SHOW(fallocate(fds[1], 0, 0, 10));
	SHOW(posix_fallocate(a, 0, 5000));
	say("size %ld\n", size_of("a"));
	// fsync and its relatives.
	SHOW(fsync(a));
	SHOW(fdatasync(a));
	SHOW(fsync(open(".", O_RDONLY)));
	SHOW(fsync(99));
	SHOW(fsync(fds[0]));
	SHOW(sync_file_range(a, 0, 10, 0));
	SHOW(posix_fadvise(a, 0, 0, POSIX_FADV_SEQUENTIAL));
	SHOW(posix_fadvise(a, 0, 0, 99));
	SHOW(posix_fadvise(fds[0], 0, 0, POSIX_FADV_NORMAL));
	SHOW(posix_fadvise(99, 0, 0, POSIX_FADV_NORMAL));
	SHOW(readahead(a, 0, 100));
	// copy_file_range
	put("from", "copied content");
	int from = open("from", O_RDONLY), to = open("to", O_RDWR | O_CREAT, 0644);
	off_t in = 7, out = 2;
	SHOW(copy_file_range(from, &in, to, &out, 100, 0));
	say("offsets %ld %ld, size %ld\n", (long)in, (long)out, size_of("to"));
	SHOW(copy_file_range(from, NULL, to, NULL, 6, 0));
	memset(text, 0, sizeof text);
	SHOW(pread(to, text, 20, 0));
	say("%s\n", text);
	SHOW(copy_file_range(from, NULL, to, NULL, 100, 0));
	SHOW(copy_file_range(from, NULL, to, NULL, 100, 0));
	SHOW(copy_file_range(to, NULL, from, NULL, 5, 0));
	SHOW(copy_file_range(from, NULL, to, NULL, 5, 1));
	SHOW(copy_file_range(99, NULL, to, NULL, 5, 0));
	SHOW(copy_file_range(fds[0], NULL, to, NULL, 5, 0));
	return 0;
}

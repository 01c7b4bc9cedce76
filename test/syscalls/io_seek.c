// lseek, sparse files, pread and pwrite, append, large offsets, SEEK_DATA and SEEK_HOLE at the borders.
#include "check.h"

int main(void) {
	char text[32] = {0};
	int fd = open("f", O_RDWR | O_CREAT, 0644);
	SHOW(write(fd, "0123456789", 10));
	SHOW(lseek(fd, 3, SEEK_SET));
	SHOW(lseek(fd, 2, SEEK_CUR));
	SHOW(lseek(fd, -4, SEEK_END));
	SHOW(read(fd, text, 10));
	say("%s\n", text);
	SHOW(lseek(fd, -1, SEEK_SET));
	SHOW(lseek(fd, -11, SEEK_END));
	SHOW(lseek(fd, 0, 99));
	SHOW(lseek(99, 0, SEEK_SET));
	SHOW(lseek(fd, 100, SEEK_SET));
	SHOW(read(fd, text, 10));
	SHOW(lseek(fd, 0, SEEK_END));
	SHOW(lseek(fd, 20, SEEK_SET));
	SHOW(write(fd, "X", 1));
	memset(text, '#', sizeof text);
	SHOW(pread(fd, text, 32, 8));
	for (int i = 0; i < 13; i++) say("%02x ", text[i]);
	say("\n");
	SHOW(lseek(fd, 0, SEEK_CUR));
	SHOW(pwrite(fd, "abc", 3, 1));
	SHOW(lseek(fd, 0, SEEK_CUR));
	SHOW(pread(fd, text, 5, 0));
	say("%.5s\n", text);
	SHOW(pread(fd, text, 5, -1));
	SHOW(pwrite(fd, text, 5, -1));
	SHOW(pread(fd, text, 5, 1000));
	SHOW(pread(fd, text, 0, 0));
	SHOW(pread(fd, WILD, 5, 0));
	SHOW(pwrite(fd, WILD, 5, 0));
	// A file with a hole of a terabyte where the file system allows; else a megabyte does.
	int sparse = open("sparse", O_RDWR | O_CREAT, 0644);
	off_t far = 1L << 30;
	SHOW(pwrite(sparse, "end", 3, far));
	SHOW(lseek(sparse, 0, SEEK_END));
	struct stat st;
	MUST(fstat(sparse, &st));
	YES("fewer blocks than bytes", st.st_blocks * 512L < st.st_size);
	SHOW(pread(sparse, text, 4, far - 2));
	say("%d %d %c%c\n", text[0], text[1], text[2], text[3]);
	static char block[65536];
	memset(block, 1, sizeof block);
	SHOW(pread(sparse, block, sizeof block, 500000000));
	int nonzero = 0;
	for (size_t i = 0; i < sizeof block; i++) nonzero += block[i] != 0;
	say("nonzero in the hole: %d\n", nonzero);
	SHOW(lseek(sparse, 0, SEEK_HOLE) >= 0);
	SHOW(lseek(sparse, far + 3, SEEK_DATA));
	SHOW(lseek(sparse, far + 3, SEEK_HOLE));
	SHOW(lseek(sparse, far + 100, SEEK_HOLE));
	SHOW(lseek(sparse, far + 1, SEEK_HOLE));
	SHOW(lseek(sparse, far + 1, SEEK_DATA));
	SHOW(lseek(sparse, -1, SEEK_DATA));
	// O_APPEND: every write at the end, whatever the offset; pwrite too (as Linux does).
	int append = open("log", O_RDWR | O_CREAT | O_APPEND, 0644);
	MUST(write(append, "one ", 4));
	MUST(lseek(append, 0, SEEK_SET));
	SHOW(write(append, "two ", 4));
	SHOW(lseek(append, 0, SEEK_CUR));
	SHOW(pwrite(append, "three", 5, 0));
	say("%s\n", cat("log"));
	pid_t pids[4];
	for (int k = 0; k < 4; k++) {
		pids[k] = fork();
		if (pids[k] == 0) {
			int own = open("many", O_WRONLY | O_CREAT | O_APPEND, 0644);
			char line[16];
			memset(line, 'a' + k, 15);
			line[15] = '\n';
			for (int i = 0; i < 100; i++) {
				if (write(own, line, 16) != 16) _exit(1);
			}
			_exit(0);
		}
	}
	for (int k = 0; k < 4; k++) reap(pids[k]);
	int many = open("many", O_RDONLY), torn = 0, lines = 0;
	char line[16];
	while (read(many, line, 16) == 16) {
		lines++;
		for (int i = 1; i < 15; i++) torn += line[i] != line[0];
		torn += line[15] != '\n';
	}
	say("lines %d, torn %d\n", lines, torn);
	return 0;
}

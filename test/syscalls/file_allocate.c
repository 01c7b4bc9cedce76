// fallocate, sync calls, advice, readahead: results, sizes, holes, errors.
#include "check.h"
#include <sys/eventfd.h>
#include <linux/falloc.h>

int main(void) {
	int f = open("f", O_RDWR | O_CREAT, 0644), ro = open("f", O_RDONLY), wo = open("f", O_WRONLY), path = open("f", O_PATH);
	int dir = open(".", O_RDONLY), event = eventfd(0, 0), fds[2];
	struct stat st;
	MUST(pipe(fds));
	SHOW(fallocate(f, 0, 0, 10000));
	SHOW(lseek(f, 0, SEEK_END));
	SHOW(fallocate(f, FALLOC_FL_KEEP_SIZE, 10000, 90000));
	SHOW(lseek(f, 0, SEEK_END));
	MUST(fstat(f, &st));
	YES("blocks for all", st.st_blocks * 512L >= 100000);
	static char block[4096 * 3];
	memset(block, 'x', sizeof block);
	MUST(pwrite(f, block, sizeof block, 0));
	SHOW(fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1000, 5000));
	MUST(pread(f, block, sizeof block, 0));
	int zeros = 0, first = -1;
	for (int i = 0; i < (int)sizeof block; i++) {
		if (block[i] != 0) continue;
		if (first < 0) first = i;
		zeros++;
	}
	say("%d zeros from %d\n", zeros, first);
	SHOW(lseek(f, 0, SEEK_END));
	SHOW(fallocate(f, 0, 0, 0));
	SHOW(fallocate(f, 0, -1, 1));
	SHOW(fallocate(f, 0x100, 0, 1));
	SHOW(fallocate(f, FALLOC_FL_PUNCH_HOLE, 0, 1));
	SHOW(fallocate(f, 0, LONG_MAX, 1));
	SHOW(fallocate(ro, 0, 0, 1));
	SHOW(fallocate(ro, 0, -1, 1));
	SHOW(fallocate(ro, 0x100, 0, 1));
	SHOW(fallocate(path, 0, 0, 1));
	SHOW(fallocate(99, 0, -1, 1));
	SHOW(fallocate(fds[0], 0, 0, 1));
	SHOW(fallocate(fds[1], 0, 0, 1));
	SHOW(fallocate(dir, 0, 0, 1));
	SHOW(fallocate(event, 0, 0, 1));
	SHOW(fsync(f));
	SHOW(fdatasync(ro));
	SHOW(fsync(dir));
	SHOW(fsync(fds[0]));
	SHOW(fsync(event));
	SHOW(fsync(path));
	SHOW(fdatasync(99));
	SHOW(syncfs(f));
	SHOW(syncfs(path));
	SHOW(syncfs(99));
	SHOW(sync_file_range(f, 0, 0, 7));
	SHOW(sync_file_range(f, -1, 0, 0));
	SHOW(sync_file_range(f, 0, -1, 0));
	SHOW(sync_file_range(f, 0, 0, 8));
	SHOW(sync_file_range(fds[0], 0, 0, 0));
	SHOW(sync_file_range(path, 0, 0, 0));
	SHOW(posix_fadvise(f, 0, 0, POSIX_FADV_SEQUENTIAL));
	say("%s\n", ename(posix_fadvise(f, 0, 0, 6)));
	say("%s\n", ename(posix_fadvise(f, 0, -1, 0)));
	say("%s\n", ename(posix_fadvise(fds[0], 0, 0, 9)));
	say("%s\n", ename(posix_fadvise(99, 0, 0, 9)));
	SHOW(readahead(f, 0, 10));
	SHOW(readahead(wo, 0, 10));
	SHOW(readahead(fds[0], 0, 10));
	SHOW(readahead(99, 0, 10));
	return 0;
}

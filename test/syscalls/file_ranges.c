// fallocate: zeroing, cutting out and inserting ranges, with mappings of the file.
#include "check.h"
#include <linux/falloc.h>

static int fd;
static char block[PAGE];

// One letter per page: what it is full of, '0' for zeros, '?' for anything else.
static void show(const char *label) {
	char text[64] = "";
	off_t size = lseek(fd, 0, SEEK_END);
	int n = 0;
	for (off_t at = 0; at < size && n < 60; at += PAGE) {
		ssize_t got = pread(fd, block, PAGE, at);
		char c = block[0];
		for (ssize_t i = 1; i < got; i++) if (block[i] != block[0]) c = '?';
		text[n++] = c == 0 ? '0' : c;
	}
	text[n] = 0;
	say("%s: %s size %ld\n", label, text, (long)size);
}

static void fill(int pages) {
	MUST(ftruncate(fd, 0));
	for (int i = 0; i < pages; i++) {
		memset(block, 'a' + i, PAGE);
		MUST(pwrite(fd, block, PAGE, i * PAGE));
	}
}

int main(void) {
	fd = open("f", O_RDWR | O_CREAT, 0644);
	fill(6);
	show("filled");
	char *map = mmap(NULL, 8 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	say("mapped %c%c%c\n", map[0], map[PAGE], map[2 * PAGE]);

	SHOW(fallocate(fd, FALLOC_FL_ZERO_RANGE, PAGE, PAGE));
	show("one page zeroed");
	SHOW(fallocate(fd, FALLOC_FL_ZERO_RANGE, 2 * PAGE + 100, 200));
	show("a part of a page zeroed");
	SHOW(map[2 * PAGE + 99] == 'c' && map[2 * PAGE + 100] == 0 && map[2 * PAGE + 299] == 0 && map[2 * PAGE + 300] == 'c');
	SHOW(fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 5 * PAGE, 10 * PAGE));
	show("beyond the end, size kept");
	SHOW(fallocate(fd, FALLOC_FL_ZERO_RANGE, 6 * PAGE, PAGE));
	show("beyond the end");

	fill(6);
	SHOW(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, PAGE, 2 * PAGE));
	show("cut out");
	say("mapped %c%c%c\n", map[0], map[PAGE], map[2 * PAGE]);
	say("behind the end: %s\n", probe('r', map + 4 * PAGE));
	SHOW(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 100, PAGE));
	SHOW(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, PAGE, 100));
	SHOW(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 3 * PAGE, PAGE));
	SHOW(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_KEEP_SIZE, PAGE, PAGE));
	SHOW(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE, PAGE, PAGE));

	fill(4);
	SHOW(fallocate(fd, FALLOC_FL_INSERT_RANGE, PAGE, 2 * PAGE));
	show("inserted");
	say("mapped %c%d%c\n", map[0], map[PAGE], map[3 * PAGE]);
	SHOW(fallocate(fd, FALLOC_FL_INSERT_RANGE, 0, PAGE));
	show("at the start");
	SHOW(fallocate(fd, FALLOC_FL_INSERT_RANGE, 7 * PAGE, PAGE));
	SHOW(fallocate(fd, FALLOC_FL_INSERT_RANGE, 1, PAGE));
	SHOW(fallocate(fd, FALLOC_FL_INSERT_RANGE | FALLOC_FL_KEEP_SIZE, PAGE, PAGE));
	MUST(pwrite(fd, "zz", 2, 0));
	SHOW(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, PAGE, 3 * PAGE));
	show("and cut out again");
	return 0;
}

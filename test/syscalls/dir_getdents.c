// Directory listings: every entry once, types, small buffers, seeking, changes while reading, errors.
#include "check.h"
#include <dirent.h>

struct entry {
	uint64_t ino;
	int64_t off;
	unsigned short length;
	unsigned char type;
	char name[];
};

static char buffer[32768] __attribute__((aligned(8)));

int main(void) {
	MUST(mkdir("dir", 0755));
	char name[64];
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof name, "dir/entry-number-%d", i);
		put(name, "");
	}
	MUST(mkdir("dir/sub", 0755));
	MUST(symlink("x", "dir/link"));
	MUST(mkfifo("dir/fifo", 0600));
	int fd = open("dir", O_RDONLY | O_DIRECTORY);
	static int seen[300];
	int others = 0, calls = 0, aligned = 1, terminated = 1, named = 0;
	char types[8] = "?????";
	for (ssize_t n; (n = syscall(SYS_getdents64, fd, buffer, 1024)) > 0; calls++) {
		for (ssize_t at = 0; at < n;) {
			struct entry *e = (struct entry *)(buffer + at);
			int number;
			aligned &= e->length % 8 == 0 && e->length >= 24;
			terminated &= memchr(e->name, 0, e->length - 19) != NULL;
			if (sscanf(e->name, "entry-number-%d", &number) == 1) {
				seen[number]++;
				if (e->type != DT_REG && e->type != DT_UNKNOWN) types[0] = '!';
			} else if (strcmp(e->name, "sub") == 0) types[1] = e->type == DT_DIR ? 'd' : '!';
			else if (strcmp(e->name, "link") == 0) types[2] = e->type == DT_LNK ? 'l' : '!';
			else if (strcmp(e->name, "fifo") == 0) types[3] = e->type == DT_FIFO ? 'p' : '!';
			else if (strcmp(e->name, ".") == 0 || strcmp(e->name, "..") == 0) named++;
			else others++;
			at += e->length;
		}
	}
	int once = 1;
	for (int i = 0; i < 300; i++) once &= seen[i] == 1;
	say("each once %s, dots %d, others %d, types %s, aligned %s, terminated %s, several calls %s\n", yes(once), named, others, types, yes(aligned), yes(terminated), yes(calls > 5));
	SHOW(syscall(SYS_getdents64, fd, buffer, sizeof buffer));
	SHOW(lseek(fd, 0, SEEK_SET));
	SHOW(syscall(SYS_getdents64, fd, buffer, 10));
	SHOW(syscall(SYS_getdents64, fd, WILD, 1024));
	YES("and again from the start", syscall(SYS_getdents64, fd, buffer, sizeof buffer) > 24 * 100);
	// inode numbers agree with stat.
	struct stat st;
	struct entry *first = (struct entry *)buffer;
	int agree = 0, compared = 0;
	for (size_t at = 0; compared < 20; compared++) {
		struct entry *e = (struct entry *)(buffer + at);
		if (strcmp(e->name, "..") != 0) agree += fstatat(fd, e->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino == e->ino;
		else agree++;
		at += e->length;
	}
	YES("inode numbers", agree == compared && first->ino != 0);
	// telldir, seekdir.
	DIR *dir = opendir("dir");
	struct dirent *d = NULL;
	for (int i = 0; i < 100; i++) d = readdir(dir);
	long place = telldir(dir);
	d = readdir(dir);
	char expected[256];
	strcpy(expected, d->d_name);
	for (int i = 0; i < 50; i++) readdir(dir);
	seekdir(dir, place);
	d = readdir(dir);
	YES("seekdir comes back", strcmp(d->d_name, expected) == 0);
	rewinddir(dir);
	// Removing while reading: everything gets removed, nothing is met twice.
	int removed = 0, failed = 0;
	for (; (d = readdir(dir)) != NULL;) {
		if (strncmp(d->d_name, "entry", 5) != 0) continue;
		snprintf(name, sizeof name, "dir/%.50s", d->d_name);
		if (unlink(name) == 0) removed++;
		else failed++;
	}
	closedir(dir);
	// Some file systems may hide an entry from a running listing; a second pass must find the rest.
	dir = opendir("dir");
	while ((d = readdir(dir)) != NULL) {
		if (strncmp(d->d_name, "entry", 5) != 0) continue;
		snprintf(name, sizeof name, "dir/%.50s", d->d_name);
		removed += unlink(name) == 0;
	}
	closedir(dir);
	say("removed %d, failed %d\n", removed, failed);
	// An empty directory, a removed one, and what is not one.
	MUST(mkdir("empty", 0755));
	int empty = open("empty", O_RDONLY);
	int count = 0;
	ssize_t n = syscall(SYS_getdents64, empty, buffer, sizeof buffer);
	for (ssize_t at = 0; at < n; at += ((struct entry *)(buffer + at))->length) count++;
	say("entries of an empty directory: %d\n", count);
	MUST(rmdir("empty"));
	MUST(lseek(empty, 0, SEEK_SET));
	SHOW(syscall(SYS_getdents64, empty, buffer, sizeof buffer));
	put("file", "");
	SHOW(syscall(SYS_getdents64, open("file", O_RDONLY), buffer, sizeof buffer));
	SHOW(syscall(SYS_getdents64, 99, buffer, sizeof buffer));
	SHOW(syscall(SYS_getdents, 99, buffer, sizeof buffer));
	return 0;
}

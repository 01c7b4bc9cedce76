/* File operations in `work_dir`. */
#define _GNU_SOURCE
#include "micro.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MIB (1024L * 1024)
#define FILE_SIZE (16 * MIB)
#define MANY 10000

static char file[512], other[512], dir[256];
static char *buffer;
static int fd = -1;

static void names(void) {
	snprintf(file, sizeof(file), "%s/micro-file", work_dir);
	snprintf(other, sizeof(other), "%s/micro-other", work_dir);
}

static void file_begin(void) {
	names();
	buffer = malloc(MIB);
	memset(buffer, 1, MIB);
	fd = (int)must("open", open(file, O_RDWR | O_CREAT | O_TRUNC, 0644));
	for (long at = 0; at < FILE_SIZE; at += MIB) must("pwrite", pwrite(fd, buffer, MIB, at));
}
static void file_end(void) {
	close(fd);
	unlink(file);
	free(buffer);
}

static void open_run(long n) {
	for (long i = 0; i < n; i++) close((int)must("open", open(file, O_RDONLY)));
}
static void stat_run(long n) {
	struct stat st;
	for (long i = 0; i < n; i++) must("stat", stat(file, &st));
}
static void missing_run(long n) {
	struct stat st;
	for (long i = 0; i < n; i++) stat(other, &st);
}
static void fstat_run(long n) {
	struct stat st;
	for (long i = 0; i < n; i++) must("fstat", fstat(fd, &st));
}
static void create_run(long n) {
	for (long i = 0; i < n; i++) {
		close((int)must("create", open(other, O_WRONLY | O_CREAT, 0644)));
		unlink(other);
	}
}
static void rename_run(long n) {
	for (long i = 0; i < n; i++) {
		must("rename", rename(file, other));
		must("rename", rename(other, file));
	}
}

#define TRANSFER(tag, size) \
	static void read_##tag(long n) { \
		for (long i = 0; i < n; i++) must("pread", pread(fd, buffer, size, (i * (size)) % FILE_SIZE)); \
	} \
	static void write_##tag(long n) { \
		for (long i = 0; i < n; i++) must("pwrite", pwrite(fd, buffer, size, (i * (size)) % FILE_SIZE)); \
	}
TRANSFER(1, 1)
TRANSFER(4k, 4096)
TRANSFER(64k, 65536)
TRANSFER(1m, MIB)

/* Directory with many entries: made here unless somebody made it before (a file server's is). */
static int made_many;
static void many_begin(void) {
	snprintf(dir, sizeof(dir), "%s/many", work_dir);
	struct stat st;
	if (stat(dir, &st) == 0) return;
	made_many = 1;
	must("mkdir", mkdir(dir, 0755));
	for (int i = 0; i < MANY; i++) {
		snprintf(other, sizeof(other), "%s/entry-%05d", dir, i);
		must("mknod", mknod(other, S_IFREG | 0644, 0));
	}
}
static void many_end(void) {
	if (!made_many) return;
	made_many = 0;
	for (int i = 0; i < MANY; i++) {
		snprintf(other, sizeof(other), "%s/entry-%05d", dir, i);
		unlink(other);
	}
	rmdir(dir);
}
static void list_run(long n) {
	static char entries[65536];
	for (long i = 0; i < n; i++) {
		int d = (int)must("open", open(dir, O_RDONLY | O_DIRECTORY));
		while (must("getdents", syscall(SYS_getdents64, d, entries, sizeof(entries))) > 0) continue;
		close(d);
	}
}

const struct row file_rows[] = {
	{"open+close", open_run, file_begin, NULL, file_end, 0, 0},
	{"stat", stat_run, file_begin, NULL, file_end, 0, 0},
	{"stat, missing", missing_run, file_begin, NULL, file_end, 0, 0},
	{"fstat", fstat_run, file_begin, NULL, file_end, 0, 0},
	{"create+close+unlink", create_run, file_begin, NULL, file_end, 0, 0},
	{"rename twice", rename_run, file_begin, NULL, file_end, 0, 0},
	{"pread 1 B", read_1, file_begin, NULL, file_end, 0, 0},
	{"pwrite 1 B", write_1, file_begin, NULL, file_end, 0, 0},
	{"pread 4 KiB", read_4k, file_begin, NULL, file_end, 0, 4096},
	{"pwrite 4 KiB", write_4k, file_begin, NULL, file_end, 0, 4096},
	{"pread 64 KiB", read_64k, file_begin, NULL, file_end, 0, 65536},
	{"pwrite 64 KiB", write_64k, file_begin, NULL, file_end, 0, 65536},
	{"pread 1 MiB", read_1m, file_begin, NULL, file_end, 0, MIB},
	{"pwrite 1 MiB", write_1m, file_begin, NULL, file_end, 0, MIB},
	{"list 10,000 entries", list_run, many_begin, NULL, many_end, 0, 0},
};
const size_t file_count = COUNT(file_rows);

/* Names that nobody has asked for yet: what no cache can answer. */
static long fresh;
static void fresh_missing_run(long n) {
	struct stat st;
	for (long i = 0; i < n; i++) {
		snprintf(other, sizeof(other), "%s/no-such-%ld", work_dir, fresh++);
		stat(other, &st);
	}
}
static void fresh_begin(void) { fresh = 0; }
static void fresh_file_run(long n) {
	struct stat st;
	for (long i = 0; i < n; i++) {
		snprintf(other, sizeof(other), "%s/many/entry-%05ld", work_dir, fresh++ % MANY);
		must("stat", stat(other, &st));
	}
}

const struct row gofer_rows[] = {
	{"stat, new missing names", fresh_missing_run, fresh_begin, NULL, NULL, 0, 0},
	/* At most half of the files in the last run: the runs before it use the other half. */
	{"stat, new files", fresh_file_run, fresh_begin, NULL, NULL, MANY / 2, 0},
};
const size_t gofer_count = COUNT(gofer_rows);

static void root_begin(void) {
	strcpy(file, "/usr/lib/os-release");
	strcpy(other, "/usr/lib/no-such-file");
	buffer = malloc(MIB);
	fd = (int)must("open", open(file, O_RDONLY));
}
static void root_end(void) {
	close(fd);
	free(buffer);
}
static void root_read_run(long n) {
	for (long i = 0; i < n; i++) must("pread", pread(fd, buffer, 1, 0));
}

const struct row root_rows[] = {
	{"open+close", open_run, root_begin, NULL, root_end, 0, 0},
	{"stat", stat_run, root_begin, NULL, root_end, 0, 0},
	{"stat, missing", missing_run, root_begin, NULL, root_end, 0, 0},
	{"pread 1 B", root_read_run, root_begin, NULL, root_end, 0, 0},
};
const size_t root_count = COUNT(root_rows);

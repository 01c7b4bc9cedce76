/* Allocation: with and without touching, freeing, and many pieces kept. */
#define _GNU_SOURCE
#include "micro.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define KIB 1024L
#define MIB (1024 * KIB)
#define TOTAL (1024 * MIB)
#define PAGE 4096L

static char **kept;

static char *map(long size) {
	char *p = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must("mmap", p == MAP_FAILED ? -1 : 0);
	return p;
}

static void touch(char *p, long size) {
	for (long at = 0; at < size; at += PAGE) ((volatile char *)p)[at] = 1;
}

static void kept_begin(void) { kept = malloc(sizeof(char *) * (size_t)(TOTAL / PAGE)); }
static void kept_end(void) { free(kept); }

static void cycle(long n, long size, int touches) {
	for (long i = 0; i < n; i++) {
		char *p = map(size);
		if (touches) touch(p, size);
		munmap(p, (size_t)size);
	}
}

static void keep(long n, long size, int touches) {
	for (long i = 0; i < n; i++) {
		kept[i] = map(size);
		if (touches) touch(kept[i], size);
	}
}

static void drop(long n, long size) {
	for (long i = 0; i < n; i++) munmap(kept[i], (size_t)size);
}

#define SIZE(tag, size) \
	static void cycle_##tag(long n) { cycle(n, size, 0); } \
	static void cycle_touch_##tag(long n) { cycle(n, size, 1); } \
	static void keep_##tag(long n) { keep(n, size, 0); } \
	static void keep_touch_##tag(long n) { keep(n, size, 1); } \
	static void drop_##tag(long n) { drop(n, size); }

SIZE(4k, 4 * KIB)
SIZE(64k, 64 * KIB)
SIZE(1m, MIB)

#define SIZE_ROWS(tag, text, size) \
	{"mmap+munmap " text, cycle_##tag, NULL, NULL, NULL, 0, 0}, \
	{"mmap+touch+munmap " text, cycle_touch_##tag, NULL, NULL, NULL, 0, 0}, \
	{"mmap " text ", kept", keep_##tag, kept_begin, drop_##tag, kept_end, TOTAL / (size), 0}, \
	{"mmap+touch " text ", kept", keep_touch_##tag, kept_begin, drop_##tag, kept_end, TOTAL / (size), 0}

/* Neighbours that differ in protection cannot be merged: n mappings stay n mappings. */
static void apart_run(long n) {
	for (long i = 0; i < n; i++) {
		int prot = (i & 1) != 0 ? PROT_READ : PROT_READ | PROT_WRITE;
		kept[i] = mmap(NULL, PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		must("mmap", kept[i] == MAP_FAILED ? -1 : 0);
	}
}

#define REGION (256 * MIB)
static char *region;

static void region_begin(void) {
	region = map(REGION);
}
static void region_end(void) { munmap(region, REGION); }
static void fresh_run(long n) {
	for (long i = 0; i < n; i++) ((volatile char *)region)[i * PAGE] = 1;
}
static void fresh_undo(long n) {
	(void)n;
	munmap(region, REGION);
	region = map(REGION);
}

static void protect_run(long n) {
	for (long i = 0; i < n; i++) {
		mprotect(region, PAGE, PROT_READ);
		mprotect(region, PAGE, PROT_READ | PROT_WRITE);
	}
}

static void discard_run(long n) {
	for (long i = 0; i < n; i++) {
		touch(region, 64 * KIB);
		madvise(region, 64 * KIB, MADV_DONTNEED);
	}
}

static void remap_run(long n) {
	char *p = map(64 * KIB);
	for (long i = 0; i < n; i++) {
		p = mremap(p, 64 * KIB, 128 * KIB, MREMAP_MAYMOVE);
		p = mremap(p, 128 * KIB, 64 * KIB, MREMAP_MAYMOVE);
	}
	munmap(p, 64 * KIB);
}

/* A file's mapping, one page of it read. */
static int file = -1;
static void file_begin(void) { file = (int)must("open", open(own_path, O_RDONLY)); }
static void file_end(void) { close(file); }
static void file_run(long n) {
	for (long i = 0; i < n; i++) {
		volatile char *p = mmap(NULL, 64 * KIB, PROT_READ, MAP_PRIVATE, file, 0);
		must("mmap", p == MAP_FAILED ? -1 : p[0]);
		munmap((void *)p, 64 * KIB);
	}
}

static void small_run(long n) {
	for (long i = 0; i < n; i++) {
		void *volatile p = malloc(100);
		free(p);
	}
}

/* Each a mapping of its own: malloc's limit would grow to hold them in its heap otherwise. */
static void large_begin(void) {
	mallopt(M_MMAP_THRESHOLD, 128 * 1024);
	malloc_trim(0);
}
static void large_run(long n) {
	for (long i = 0; i < n; i++) {
		char *volatile p = malloc(2 * MIB);
		free(p);
	}
}

static void heap(long n, int touches) {
	for (long i = 0; i < n; i++) {
		kept[i] = malloc(32 * KIB);
		if (touches) touch(kept[i], 32 * KIB);
	}
}
static void heap_run(long n) { heap(n, 0); }
static void heap_touch_run(long n) { heap(n, 1); }
static void heap_undo(long n) {
	for (long i = n - 1; i >= 0; i--) free(kept[i]);
}

const struct row memory_rows[] = {
	{"malloc+free 100 B", small_run, NULL, NULL, NULL, 0, 0},
	{"malloc 32 KiB, kept", heap_run, kept_begin, heap_undo, kept_end, TOTAL / (32 * KIB), 0},
	{"malloc+touch 32 KiB, kept", heap_touch_run, kept_begin, heap_undo, kept_end, TOTAL / (32 * KIB), 0},
	SIZE_ROWS(4k, "4 KiB", 4 * KIB),
	SIZE_ROWS(64k, "64 KiB", 64 * KIB),
	SIZE_ROWS(1m, "1 MiB", MIB),
	{"4,096 mappings of 4 KiB, each", apart_run, kept_begin, drop_4k, kept_end, 4096, 0},
	{"touch a fresh page (256 MiB)", fresh_run, region_begin, fresh_undo, region_end, REGION / PAGE, 0},
	{"mprotect twice", protect_run, region_begin, NULL, region_end, 0, 0},
	{"touch 64 KiB, MADV_DONTNEED", discard_run, region_begin, NULL, region_end, 0, 0},
	{"mmap+touch+munmap of a file", file_run, file_begin, NULL, file_end, 0, 0},
	{"malloc+free 2 MiB", large_run, large_begin, NULL, NULL, 0, 0},
	{"mremap 64 KiB to 128 and back", remap_run, NULL, NULL, NULL, 0, 0},
};
const size_t memory_count = COUNT(memory_rows);

// /proc/self/maps, smaps, smaps_rollup, statm, status and numa_maps against mappings that the program made itself: sizes, rights, flags, what is
// resident after it was touched, what is private and what shared.
#include "check.h"
#include <dirent.h>

static char text[1 << 20];

static char *slurp(const char *path) {
	int fd = open(path, O_RDONLY);
	MUST(fd);
	size_t n = 0;
	for (ssize_t r; (r = read(fd, text + n, sizeof text - 1 - n)) > 0;) n += (size_t)r;
	close(fd);
	text[n] = 0;
	return text;
}

// The entry of smaps that begins at p.
static char *entry(const void *p) {
	char start[32];
	snprintf(start, sizeof start, "%lx-", (unsigned long)p);
	for (char *line = slurp("/proc/self/smaps"); line != NULL && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		if (strncmp(line, start, strlen(start)) == 0) return line;
	}
	return NULL;
}

static long field(const char *at, const char *name) {
	const char *end = strstr(at, "VmFlags:");
	char label[64];
	snprintf(label, sizeof label, "\n%s:", name);
	const char *f = strstr(at, label);
	return f == NULL || (end != NULL && f > end) ? -1 : atol(f + strlen(label));
}

static void show(const char *label, const void *p) {
	char *e = entry(p);
	if (e == NULL) {
		say("%s: no entry\n", label);
		return;
	}
	char perms[8] = {0}, flags[128] = {0};
	sscanf(e, "%*s %7s", perms);
	char *f = strstr(e, "VmFlags:");
	if (f) snprintf(flags, sizeof flags, "%.*s", (int)strcspn(f + 9, "\n"), f + 9);
	// Soft-dirty, huge pages and NUMA are a matter of configuration.
	char kept[128] = {0};
	for (char *w = strtok(flags, " "); w; w = strtok(NULL, " ")) {
		if (strstr("rd wr ex sh mr mw me ms gd pf dw lo io sr rr dc de nr ht dd wf", w)) {
			strcat(kept, w);
			strcat(kept, " ");
		}
	}
	say("%s: %s size %ld page %ld rss %ld pss %ld shared %ld private %ld anonymous %ld locked %ld swap %ld flags %s\n", label, perms, field(e, "Size"), field(e, "KernelPageSize"), field(e, "Rss"), field(e, "Pss"), field(e, "Shared_Clean") + field(e, "Shared_Dirty"), field(e, "Private_Clean") + field(e, "Private_Dirty"), field(e, "Anonymous"), field(e, "Locked"), field(e, "Swap"), kept);
}

static char *map(size_t pages, int prot, int flags, int fd) {
	// With a hole on both sides.
	char *p = mmap(NULL, (pages + 2) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED) die("mmap");
	MUST(munmap(p, PAGE));
	MUST(munmap(p + (pages + 1) * PAGE, PAGE));
	char *q = mmap(p + PAGE, pages * PAGE, prot, flags | MAP_FIXED, fd, 0);
	if (q == MAP_FAILED) die("mmap fixed");
	return q;
}

static long status(const char *name) {
	char label[64];
	snprintf(label, sizeof label, "\n%s:", name);
	char *at = strstr(slurp("/proc/self/status"), label);
	return at == NULL ? -1 : atol(at + strlen(label));
}

static long statm(int column) {
	long v[7] = {0};
	sscanf(slurp("/proc/self/statm"), "%ld %ld %ld %ld %ld %ld %ld", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6]);
	return v[column];
}

int main(void) {
	char *p = map(20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	show("untouched", p);
	memset(p, 1, 9 * PAGE);
	show("nine pages", p);
	MUST(madvise(p, 6 * PAGE, MADV_DONTNEED));
	show("three pages", p);
	unsigned char there[20];
	SHOW(mincore(p, 20 * PAGE, there));
	for (int i = 0; i < 20; i++) say("%d", there[i] & 1);
	say("\n");
	MUST(mprotect(p, 20 * PAGE, PROT_READ));
	show("read-only", p);
	MUST(mprotect(p, 20 * PAGE, PROT_NONE));
	show("no access", p);
	char *q = map(8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
	memset(q, 2, 8 * PAGE);
	MUST(madvise(q, 8 * PAGE, MADV_DONTFORK));
	show("noreserve, dontfork", q);
	char *l = map(4, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	MUST(mlock(l, 4 * PAGE));
	show("locked", l);
	char *d = map(4, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	MUST(madvise(d, 4 * PAGE, MADV_DONTDUMP));
	MUST(madvise(d, 4 * PAGE, MADV_WIPEONFORK));
	show("dontdump, wipeonfork", d);
	char *x = map(2, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	show("executable", x);
	long before = status("RssAnon");
	char *big = map(2000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	long vm = status("VmSize"), pages = statm(0);
	YES("VmSize is statm", vm * 1024 == pages * PAGE);
	YES("mapped only", status("RssAnon") - before < 600);
	memset(big, 1, 2000 * PAGE);
	long grown = status("RssAnon") - before;
	YES("RssAnon grew", grown >= 7400 && grown <= 8600);
	YES("VmRSS is its parts", labs(status("VmRSS") - status("RssAnon") - status("RssFile") - status("RssShmem")) < 1200);
	YES("statm resident", labs(statm(1) * 4 - status("VmRSS")) < 1200);
	YES("VmHWM", status("VmHWM") >= 8000);
	MUST(munmap(big, 2000 * PAGE));
	YES("VmHWM stays", status("VmHWM") >= 8000);
	YES("VmPeak", status("VmPeak") >= vm);
	YES("VmRSS shrank", status("RssAnon") - before < 900);
	YES("VmLck", status("VmLck") == 16);
	long rollup = field(slurp("/proc/self/smaps_rollup"), "Rss");
	YES("rollup", labs(rollup - status("VmRSS")) < 1500);
	YES("rollup's first line", strstr(slurp("/proc/self/smaps_rollup"), "[rollup]\n") != NULL);
	// A shared one.
	char *s = map(6, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
	memset(s, 3, 3 * PAGE);
	char *e = entry(s);
	YES("shared: entry", e != NULL && strstr(e, "rw-s") != NULL && field(e, "Rss") == 12 && field(e, "Anonymous") == 0);
	YES("shared: name", strstr(slurp("/proc/self/maps"), "/dev/zero (deleted)") != NULL);
	put("file", "x");
	int fd = open("file", O_RDWR);
	MUST(ftruncate(fd, 10 * PAGE));
	char *f = map(3, PROT_READ, MAP_SHARED, fd);
	e = entry(f);
	YES("file: name and offset", e != NULL && strstr(e, "/file\n") != NULL);
	YES("file: rights", e != NULL && strstr(e, "r--s 00000000") != NULL);
	YES("heap, stack, vdso, vvar", strstr(slurp("/proc/self/maps"), "[stack]") && strstr(text, "[vdso]") && strstr(text, "[vvar]"));
	char *brk = sbrk(3 * PAGE);
	YES("heap", brk != (char *)-1 && strstr(slurp("/proc/self/maps"), "[heap]") != NULL);
	// mem.
	fd = open("/proc/self/mem", O_RDWR);
	char byte = 0;
	SHOW(pread(fd, &byte, 1, (off_t)(unsigned long)q));
	say("byte %d\n", byte);
	byte = 9;
	SHOW(pwrite(fd, &byte, 1, (off_t)(unsigned long)q));
	say("byte %d\n", q[0]);
	SHOW(pread(fd, &byte, 1, (off_t)(unsigned long)p));
	SHOW(pread(fd, &byte, 1, (off_t)(unsigned long)(p - PAGE)));
	return 0;
}

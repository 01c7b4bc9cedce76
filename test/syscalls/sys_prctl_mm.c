// prctl(2) PR_SET_MM: each place, all at once, the auxiliary vector, the executable; what is refused, and what /proc says then.
#include "check.h"
#include <linux/prctl.h>
#include <sys/auxv.h>
#include <sys/syscall.h>

#define P(...) SHOW(syscall(SYS_prctl, PR_SET_MM, __VA_ARGS__))

static struct prctl_mm_map map;
static int exe_busy, is_allowed;

// What needs CAP_SYS_RESOURCE, which root may lack natively: then it is refused.
#define EXPECT(expected, ...) \
	do { \
		long expect_value = syscall(SYS_prctl, PR_SET_MM, __VA_ARGS__); \
		YES(#__VA_ARGS__ ": " #expected, (expect_value == 0 ? 0 : errno) == (is_allowed ? expected : EPERM)); \
	} while (0)

// The places as /proc/self/stat has them.
static void current(void) {
	char text[2048];
	snprintf(text, sizeof text, "%s", cat("/proc/self/stat"));
	char *rest = strrchr(text, ')');
	unsigned long v[64] = {0};
	int field = 3;
	for (char *word = strtok(rest + 4, " "); word != NULL; word = strtok(NULL, " ")) v[++field] = strtoul(word, NULL, 10);
	map = (struct prctl_mm_map){.start_code = v[26], .end_code = v[27], .start_stack = v[28], .start_data = v[45], .end_data = v[46], .start_brk = v[47], .arg_start = v[48], .arg_end = v[49], .env_start = v[50], .env_end = v[51], .exe_fd = -1U};
	map.brk = (unsigned long)sbrk(0);
}

static void shown(const char *label) {
	struct prctl_mm_map before = map;
	current();
	YES(label, memcmp(&before, &map, offsetof(struct prctl_mm_map, brk)) == 0 && before.arg_start == map.arg_start && before.arg_end == map.arg_end && before.env_start == map.env_start && before.env_end == map.env_end && before.start_stack == map.start_stack);
}

static void single(void) {
	char *args = anon(PAGE);
	memcpy(args, "another\0name", 13);
	EXPECT(EINVAL, PR_SET_MM_ARG_START, map.arg_end + 1, 0, 0);
	EXPECT(EINVAL, PR_SET_MM_ENV_START, map.env_end + 1, 0, 0);
	EXPECT(EINVAL, PR_SET_MM_ENV_END, map.env_start - 1, 0, 0);
	EXPECT(EINVAL, PR_SET_MM_START_CODE, map.end_code, 0, 0);
	EXPECT(0, PR_SET_MM_START_CODE, map.start_code + 1, 0, 0);
	EXPECT(EINVAL, PR_SET_MM_END_CODE, map.start_code, 0, 0);
	EXPECT(0, PR_SET_MM_END_CODE, map.end_code - 1, 0, 0);
	EXPECT(EINVAL, PR_SET_MM_START_DATA, map.end_data + 1, 0, 0);
	EXPECT(0, PR_SET_MM_START_DATA, map.end_data, 0, 0);
	EXPECT(EINVAL, PR_SET_MM_END_DATA, map.end_data - 1, 0, 0);
	EXPECT(EINVAL, PR_SET_MM_START_BRK, map.brk + 1, 0, 0);
	EXPECT(EINVAL, PR_SET_MM_BRK, map.start_brk - 1, 0, 0);
	EXPECT(0, PR_SET_MM_START_STACK, map.start_stack + 16, 0, 0);
	EXPECT(EINVAL, PR_SET_MM_START_STACK, 0x1000, 0, 0);
	EXPECT(EINVAL, PR_SET_MM_START_STACK, -1L, 0, 0);
	EXPECT(EINVAL, PR_SET_MM_START_STACK, 0x800000000000, 0, 0);
	P(PR_SET_MM_START_STACK, 0, 1, 0);
	P(PR_SET_MM_START_STACK, map.start_stack, 0, 1);
	EXPECT(EINVAL, 99, map.start_stack, 0, 0);
	EXPECT(EINVAL, 0, map.start_stack, 0, 0);
	EXPECT(EINVAL, PR_SET_MM_AUXV, args, 1000, 0);
	EXPECT(EFAULT, PR_SET_MM_AUXV, WILD, 32, 0);
	EXPECT(0, PR_SET_MM_AUXV, args, 0, 0);
	EXPECT(EBADF, PR_SET_MM_EXE_FILE, 99, 0, 0);
	EXPECT(EBADF, PR_SET_MM_EXE_FILE, -1, 0, 0);
	unsigned long code = map.start_code + 1, stack = map.start_stack + 16;
	current();
	YES("code and stack", !is_allowed || (map.start_code == code && map.start_stack == stack));
	struct rlimit small = {PAGE, RLIM_INFINITY};
	setrlimit(RLIMIT_DATA, &small);
	EXPECT(EINVAL, PR_SET_MM_BRK, map.start_brk + 2 * PAGE, 0, 0);
}

static void whole(void) {
	unsigned size = 0;
	P(PR_SET_MM_MAP_SIZE, &size, 0, 0);
	YES("size", size == sizeof map);
	P(PR_SET_MM_MAP_SIZE, WILD, 0, 0);
	P(PR_SET_MM_MAP, &map, sizeof map, 0);
	shown("as it was");
	P(PR_SET_MM_MAP, &map, sizeof map - 1, 0);
	P(PR_SET_MM_MAP, &map, sizeof map + 1, 0);
	P(PR_SET_MM_MAP, WILD, sizeof map, 0);
	char *args = anon(PAGE);
	memcpy(args, "new\0words", 10);
	map.arg_start = (unsigned long)args;
	map.arg_end = map.arg_start + 10;
	map.env_start = map.env_end = map.arg_end;
	map.start_code++;
	P(PR_SET_MM_MAP, &map, sizeof map, 0);
	shown("changed");
	const char *text = cat("/proc/self/cmdline");
	say("cmdline %s %s\n", text, text + strlen(text) + 1);
	say("environ '%s'\n", cat("/proc/self/environ"));
	struct prctl_mm_map good = map;
#define BAD(field, value) \
	map = good; \
	map.field = value; \
	say(#field " " #value "\n"); \
	P(PR_SET_MM_MAP, &map, sizeof map, 0)
	BAD(start_code, 0);
	BAD(start_code, good.end_code);
	BAD(start_data, good.end_data + 1);
	BAD(brk, good.start_brk - 1);
	BAD(arg_start, good.arg_end + 1);
	BAD(env_end, good.env_start - 1);
	BAD(start_stack, 0x800000000000);
	BAD(start_stack, 0x100000);
	BAD(auxv_size, 8);
	BAD(exe_fd, 77);
	map = good;
	unsigned long vector[] = {AT_PAGESZ, 4096, 7777, 1, AT_NULL, 0};
	map.auxv = (void *)vector;
	map.auxv_size = sizeof vector;
	P(PR_SET_MM_MAP, &map, sizeof map, 0);
	unsigned long got[64];
	int fd = open("/proc/self/auxv", O_RDONLY);
	ssize_t n = read(fd, got, sizeof got);
	close(fd);
	say("auxv %zd bytes: %lu %lu %lu %lu\n", n, got[0], got[1], got[2], got[3]);
	map.auxv_size = 1000;
	P(PR_SET_MM_MAP, &map, sizeof map, 0);
	map.auxv_size = sizeof vector;
	map.auxv = WILD;
	P(PR_SET_MM_MAP, &map, sizeof map, 0);
}

static void unprivileged(void) {
	MUST(setuid(65534));
	P(PR_SET_MM_START_CODE, map.start_code, 0, 0);
	P(PR_SET_MM_EXE_FILE, 0, 0, 0);
	P(PR_SET_MM_AUXV, &map, 16, 0);
	P(PR_SET_MM_MAP, &map, sizeof map, 0);
	map.exe_fd = 0;
	P(PR_SET_MM_MAP, &map, sizeof map, 0);
}

// Copies of the program's own pages take their place, so that nothing of its file stays mapped.
static void leave_file(void) {
	char exe[PATH_MAX], line[1024];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
	MUST(n);
	exe[n] = 0;
	struct {
		unsigned long from, to;
		int prot;
	} parts[32];
	int count = 0;
	FILE *f = fopen("/proc/self/maps", "r");
	while (fgets(line, sizeof line, f)) {
		char perms[8], name[PATH_MAX] = "";
		unsigned long from, to;
		if (sscanf(line, "%lx-%lx %7s %*s %*s %*s %4095s", &from, &to, perms, name) < 3 || strcmp(name, exe) != 0) continue;
		parts[count].from = from;
		parts[count].to = to;
		parts[count++].prot = (perms[0] == 'r' ? PROT_READ : 0) | (perms[1] == 'w' ? PROT_WRITE : 0) | (perms[2] == 'x' ? PROT_EXEC : 0);
	}
	fclose(f);
	exe_busy = count > 0;
	for (int i = 0; i < count; i++) {
		size_t size = parts[i].to - parts[i].from;
		char *copy = anon(size);
		memcpy(copy, (void *)parts[i].from, size);
		MUST(mprotect(copy, size, parts[i].prot));
		MUST((long)mremap(copy, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)parts[i].from));
	}
}

static void use(int fd) {
	map.exe_fd = (unsigned)fd;
	P(PR_SET_MM_MAP, &map, sizeof map, 0);
}

static void executable(void) {
	put("other", "text");
	int other = open("other", O_RDONLY), dir = open(".", O_RDONLY), place = open("other", O_PATH);
	use(99);
	use(-2);
	use(dir);
	use(place);
	use(other);
	MUST(fchmod(other, 0755));
	use(other);
	leave_file();
	YES("something was mapped", exe_busy);
	int writer = open("other", O_WRONLY);
	use(other);
	close(writer);
	use(other);
	char link[PATH_MAX], here[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", link, sizeof link - 1);
	link[n < 0 ? 0 : n] = 0;
	MUST((long)getcwd(here, sizeof here));
	YES("the link follows", strncmp(link, here, strlen(here)) == 0 && strcmp(link + strlen(here), "/other") == 0);
	say("%s\n", cat("/proc/self/exe"));
	SHOW(open("other", O_WRONLY));
	EXPECT(0, PR_SET_MM_EXE_FILE, other, 0, 0);
}

int main(void) {
	is_allowed = (strtoull(strstr(cat("/proc/self/status"), "CapEff:") + 7, NULL, 16) >> 24 & 1) != 0;
	current();
	child("one by one", single);
	child("all at once", whole);
	child("as anybody", unprivileged);
	child("the executable", executable);
	return 0;
}

// /proc/self/pagemap and map_files: which pages are there, what is mapped, who may look. /proc/PID/timers.
#include "check.h"
#include <dirent.h>

static int fd;

// P present, F of a file or shared, X only here, S swapped.
static const char *pages(const void *p, size_t count) {
	static char text[64 * 4];
	uint64_t entries[64];
	ssize_t n = pread(fd, entries, count * 8, (off_t)((uintptr_t)p / PAGE * 8));
	if (n != (ssize_t)count * 8) return n < 0 ? ename(errno) : "short";
	char *at = text;
	for (size_t i = 0; i < count; i++) {
		uint64_t e = entries[i];
		if (i > 0) *at++ = ' ';
		if (e >> 63 == 0) *at++ = '-';
		else {
			*at++ = 'P';
			if (e >> 61 & 1) *at++ = 'F';
			if (e >> 56 & 1) *at++ = 'X';
		}
		if (e >> 62 & 1) *at++ = 'S';
	}
	*at = 0;
	return text;
}

static const char *link_of(const char *directory, const void *from, const void *to) {
	static char target[PATH_MAX];
	char path[128];
	snprintf(path, sizeof path, "%s/%lx-%lx", directory, (unsigned long)(uintptr_t)from, (unsigned long)(uintptr_t)to);
	ssize_t n = readlink(path, target, sizeof target - 1);
	if (n < 0) return ename(errno);
	target[n] = 0;
	char *slash = strrchr(target, '/');
	return slash == NULL ? target : slash;
}

static void unprivileged(void) {
	MUST(setuid(65534));
	SHOW(open("/proc/1/pagemap", O_RDONLY));
	SHOW(open("/proc/1/map_files", O_RDONLY));
}

static const char *timers(void) {
	static char text[1024];
	char *at = text, *line, *rest = (char *)cat("/proc/self/timers");
	char pid[32];
	snprintf(pid, sizeof pid, ".%d", getpid());
	while ((line = strsep(&rest, "\n")) != NULL && *line != 0) {
		if (strncmp(line, "ID:", 3) == 0) continue;
		size_t n = strlen(line), own = strlen(pid);
		if (n > own && strcmp(line + n - own, pid) == 0) strcpy(line + n - own, "");
		at += snprintf(at, 100, "%s; ", line);
	}
	*at = 0;
	return text;
}

int main(void) {
	fd = open("/proc/self/pagemap", O_RDONLY);
	MUST(fd);
	char *p = anon(8 * PAGE);
	say("untouched %s\n", pages(p, 8));
	p[0] = 1;
	p[3 * PAGE] = 1;
	say("touched %s\n", pages(p, 8));
	char *large = anon(256 * PAGE);
	memset(large, 1, 256 * PAGE);
	madvise(large, 200 * PAGE, MADV_DONTNEED);
	say("given back %s", pages(large, 2));
	say(" and kept %s\n", pages(large + 200 * PAGE, 2));
	pid_t pid = fork();
	if (pid == 0) {
		pause();
		_exit(0);
	}
	say("shared with a child %s\n", pages(p + 3 * PAGE, 1));
	kill(pid, SIGKILL);
	reap(pid);
	char *s = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	s[0] = 1;
	say("shared %.2s\n", pages(s, 1));
	say("shared, untouched %s\n", pages(s + PAGE, 1));
	say("nothing there %s\n", pages((void *)PAGE, 2));
	uint64_t entry;
	SHOW(pread(fd, &entry, 4, 0));
	SHOW(pread(fd, &entry, 8, 4));
	SHOW(pread(fd, &entry, 8, 1L << 40));
	SHOW(pread(fd, NIL, 8, 0));
	SHOW(write(fd, &entry, 8));
	SHOW(lseek(fd, (off_t)((uintptr_t)p / PAGE * 8 + 24), SEEK_SET) > 0);
	SHOW(read(fd, &entry, 8));
	YES("there", entry >> 63);

	// Files.
	put("file", "text");
	MUST(truncate("file", 3 * PAGE));
	int file = open("file", O_RDWR);
	char *m = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	say("%s\n", link_of("/proc/self/map_files", m, m + 3 * PAGE));
	MUST(mprotect(m + PAGE, PAGE, PROT_READ));
	say("%s\n", link_of("/proc/self/map_files", m, m + 3 * PAGE));
	say("%s\n", link_of("/proc/self/map_files", m, m + PAGE));
	say("%s\n", link_of("/proc/self/map_files", m + PAGE, m + 2 * PAGE));
	say("%s\n", link_of("/proc/self/map_files", p, p + 8 * PAGE));
	say("%s\n", link_of("/proc/self/map_files", m + 1, m + PAGE));
	MUST(unlink("file"));
	say("%s\n", link_of("/proc/self/map_files", m, m + PAGE));
	char path[128], text[8] = "";
	snprintf(path, sizeof path, "/proc/self/map_files/%lx-%lx", (unsigned long)(uintptr_t)m, (unsigned long)(uintptr_t)m + PAGE);
	int again = open(path, O_RDONLY);
	SHOW(again > 0);
	SHOW(read(again, text, 4));
	say("%s\n", text);
	struct stat st;
	MUST(lstat(path, &st));
	say("mode %o size %ld\n", st.st_mode, (long)st.st_size);
	MUST(lstat("/proc/self/map_files", &st));
	say("mode %o\n", st.st_mode);
	DIR *dir = opendir("/proc/self/map_files");
	int found = 0, odd = 0;
	for (struct dirent *e; (e = readdir(dir)) != NULL;) {
		found += strcmp(e->d_name, strrchr(path, '/') + 1) == 0;
		odd += e->d_type != DT_LNK && e->d_name[0] != '.';
	}
	closedir(dir);
	YES("listed", found == 1 && odd == 0);
	SHOW(access("/proc/self/map_files/nonsense", F_OK));
	SHOW(access("/proc/self/map_files/0-1000", F_OK));
	child("unprivileged", unprivileged);

	say("timers '%s'\n", timers());
	timer_t a, b;
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_ptr = (void *)0x1234};
	MUST(timer_create(CLOCK_REALTIME, &event, &a));
	event.sigev_notify = SIGEV_NONE;
	MUST(timer_create(CLOCK_MONOTONIC, &event, &b));
	say("timers '%s'\n", timers());
	timer_delete(a);
	timer_delete(b);
	return 0;
}

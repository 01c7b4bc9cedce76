// Partial munmap and the pieces that /proc/self/maps shows: splitting, joining, names and permissions.
#include "check.h"

// Prints the lines of /proc/self/maps inside [base, base + pages), as page numbers relative to base.
static void pieces(const char *label, char *base, long pages) {
	static char text[1 << 16];
	int fd = open("/proc/self/maps", O_RDONLY);
	size_t have = 0;
	for (ssize_t n; (n = read(fd, text + have, sizeof text - 1 - have)) > 0;) have += (size_t)n;
	text[have] = 0;
	close(fd);
	say("%s:", label);
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
		unsigned long from, to, offset;
		char permissions[8], name[256] = "";
		if (sscanf(line, "%lx-%lx %7s %lx %*s %*s %255[^\n]", &from, &to, permissions, &offset, name) < 4) die("maps: %s", line);
		if (to <= (uintptr_t)base || from >= (uintptr_t)(base + pages * PAGE)) continue;
		long a = ((long)from - (long)base) / PAGE, b = ((long)to - (long)base) / PAGE;
		char *slash = strrchr(name, '/');
		say(" %ld-%ld %s", a < 0 ? -1 : a, b > pages ? pages + 1 : b, permissions);
		if (slash != NULL) say(" %lx%s", offset, slash);
	}
	say("\n");
}

int main(void) {
	// A frame of inaccessible pages of its own kind keeps neighbours from joining.
	char *frame = mmap(NULL, 24 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *p = frame + 4 * PAGE;
	MUST(munmap(frame, 24 * PAGE));
	mmap(p, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	memset(p, 'p', 16 * PAGE);
	pieces("whole", p, 16);
	MUST(munmap(p + 4 * PAGE, 2 * PAGE));
	pieces("middle removed", p, 16);
	say("before %c, hole %s, after %c\n", p[4 * PAGE - 1], probe('r', p + 4 * PAGE), p[6 * PAGE]);
	MUST(munmap(p, PAGE));
	pieces("head removed", p, 16);
	MUST(munmap(p + 15 * PAGE, PAGE));
	pieces("tail removed", p, 16);
	MUST(mprotect(p + 8 * PAGE, 2 * PAGE, PROT_READ));
	pieces("protected", p, 16);
	MUST(mprotect(p + 8 * PAGE, 2 * PAGE, PROT_READ | PROT_WRITE));
	pieces("joined", p, 16);
	MUST(mprotect(p + 7 * PAGE, PAGE, PROT_NONE));
	MUST(mprotect(p + 9 * PAGE, PAGE, PROT_READ | PROT_EXEC));
	pieces("three kinds", p, 16);
	MUST(munmap(p + 3 * PAGE, 7 * PAGE));
	pieces("over a hole and several pieces", p, 16);
	int same = 1;
	for (long i = PAGE; i < 3 * PAGE; i++) same &= p[i] == 'p';
	for (long i = 10 * PAGE; i < 15 * PAGE; i++) same &= p[i] == 'p';
	YES("rest unharmed", same);
	MUST(munmap(p, 16 * PAGE));
	pieces("nothing left", p, 16);
	// A file mapping: offsets follow the split.
	int fd = open("file", O_RDWR | O_CREAT, 0644);
	MUST(ftruncate(fd, 8 * PAGE));
	char *f = mmap(p, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	pieces("file", f, 8);
	MUST(munmap(f + 2 * PAGE, PAGE));
	pieces("file, hole", f, 8);
	MUST(mprotect(f + 5 * PAGE, PAGE, PROT_READ));
	pieces("file, protected", f, 8);
	f[6 * PAGE] = 'z';
	char c = 0;
	MUST(pread(fd, &c, 1, 6 * PAGE));
	say("byte of page 6: %c\n", c);
	mmap(f + 2 * PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 2 * PAGE);
	pieces("file, hole filled", f, 8);
	// Two thousand pages, every second one unmapped again.
	char *many = anon(2000 * PAGE);
	for (int i = 0; i < 2000; i++) many[i * PAGE] = (char)i;
	for (int i = 1; i < 2000; i += 2) MUST(munmap(many + i * PAGE, PAGE));
	int wrong = 0;
	for (int i = 0; i < 2000; i += 2) wrong += many[i * PAGE] != (char)i;
	say("wrong of 1000 islands: %d, last hole: %s\n", wrong, probe('r', many + 1999 * PAGE));
	MUST(munmap(many, 2000 * PAGE));
	say("sea: %s\n", probe('r', many));
	return 0;
}

// Anonymous mappings: zero filled, protections honoured, gone after munmap; si_code and si_addr of the faults.
#include "check.h"

int main(void) {
	char *p = anon(16 * PAGE);
	int nonzero = 0;
	for (long i = 0; i < 16 * PAGE; i++) nonzero += p[i] != 0;
	say("nonzero: %d\n", nonzero);
	memset(p, 1, 16 * PAGE);
	YES("aligned", ((uintptr_t)p & 4095) == 0);
	MUST(munmap(p, 16 * PAGE));
	say("read after munmap: %s\n", probe('r', p));
	say("write after munmap: %s\n", probe('w', p + 5));
	SHOW(munmap(p, 16 * PAGE));
	char *none = mmap(NULL, 3 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	say("PROT_NONE read: %s\n", probe('r', none + PAGE + 17));
	say("PROT_NONE write: %s\n", probe('w', none));
	say("PROT_NONE call: %s\n", probe('x', none));
	MUST(mprotect(none + PAGE, PAGE, PROT_READ | PROT_WRITE));
	say("middle opened: %s, before %s, after %s\n", probe('w', none + PAGE), probe('r', none + PAGE - 1), probe('r', none + 2 * PAGE));
	char *read_only = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	say("PROT_READ read: %s value %d\n", probe('r', read_only), read_only[0]);
	say("PROT_READ write: %s\n", probe('w', read_only + 99));
	say("PROT_READ call: %s\n", probe('x', read_only));
	char *write_only = mmap(NULL, PAGE, PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	*(volatile char *)write_only = 3;
	say("PROT_WRITE write: ok\n");
	// The kernel checks protections as the processor does.
	int fds[2];
	MUST(pipe(fds));
	SHOW(write(fds[1], none, 1));
	MUST(write(fds[1], "abcdefgh", 8));
	SHOW(read(fds[0], read_only, 1));
	SHOW(read(fds[0], none + PAGE - 2, 2));
	SHOW(read(fds[0], none + PAGE, 2));
	// A copy that crosses into an inaccessible page.
	char *edge = none + 2 * PAGE - 3;
	ssize_t n = read(fds[0], edge, 6);
	say("pipe read across a guard: %s\n", n < 0 ? ename(errno) : n > 0 && n <= 3 ? "short" : "?");
	// MAP_POPULATE, MAP_NORESERVE, MAP_STACK, MAP_LOCKED-free flags change nothing that shows.
	char *q = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_NORESERVE | MAP_STACK, -1, 0);
	YES("populate", q != MAP_FAILED && q[3 * PAGE] == 0);
	// The fd of an anonymous mapping is not looked at, a hint that is free is taken.
	q = mmap((void *)0x300000000000, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, 12345, 0);
	YES("hint taken", q == (char *)0x300000000000);
	char *r = mmap(q, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	YES("taken hint: elsewhere", r != MAP_FAILED && r != q);
	r = mmap((void *)0x300000005123, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	YES("unaligned hint: rounded", r == (char *)0x300000005000 || r == (char *)0x300000006000);
	r = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	say("one byte asked, whole page there: %s\n", probe('w', r + 4095));
	r = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	YES("MAP_32BIT below 2 GiB", (uintptr_t)r < 0x80000000UL);
	return 0;
}

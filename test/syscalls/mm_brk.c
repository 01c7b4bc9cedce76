// brk(2): grows and shrinks the heap; fresh pages are zero; what cannot be done leaves the break where it was.
#include "check.h"

static char *brk_now(void) { return (char *)syscall(SYS_brk, 0); }
static char *brk_to(char *p) { return (char *)syscall(SYS_brk, p); }

int main(void) {
	char *start = brk_now();
	YES("brk(0) is not 0", start != NULL);
	YES("brk(0) twice", start == brk_now());
	char *page = (char *)(((uintptr_t)start + 4095) & ~4095UL);
	YES("grow by 100 pages", brk_to(page + 100 * PAGE) == page + 100 * PAGE);
	int nonzero = 0;
	for (long i = 0; i < 100 * PAGE; i++) nonzero += page[i] != 0;
	say("nonzero bytes: %d\n", nonzero);
	memset(page, 0x5a, 100 * PAGE);
	YES("grow by 5 bytes", brk_to(page + 100 * PAGE + 5) == page + 100 * PAGE + 5);
	say("page of the odd byte: %s\n", probe('w', page + 100 * PAGE + 5));
	say("page behind: %s\n", probe('r', page + 102 * PAGE));
	YES("shrink to 10 pages", brk_to(page + 10 * PAGE) == page + 10 * PAGE);
	say("last kept byte: %x\n", page[10 * PAGE - 1]);
	say("first dropped byte: %s\n", probe('r', page + 10 * PAGE));
	YES("grow again", brk_to(page + 20 * PAGE) == page + 20 * PAGE);
	say("fresh zero: %d\n", page[10 * PAGE]);
	// Shrinking inside a page keeps its bytes.
	page[20 * PAGE - 1] = 7;
	brk_to(page + 19 * PAGE + 100);
	brk_to(page + 20 * PAGE);
	say("byte in a page never dropped: %d\n", page[20 * PAGE - 1]);
	char *now = brk_now();
	YES("below the start: unchanged", brk_to((char *)4096) == now);
	YES("kernel half: unchanged", brk_to(KERNEL_HALF) == now);
	YES("behind the end of the address space: unchanged", brk_to(now + (1L << 47)) == now);
	// Something in the way.
	char *block = mmap(now + 4 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	YES("mapping in the way made", block == now + 4 * PAGE);
	YES("over it: unchanged", brk_to(now + 8 * PAGE) == now);
	MUST(munmap(block, PAGE));
	YES("after munmap: grows", brk_to(now + 8 * PAGE) == now + 8 * PAGE);
	// A limit on data.
	struct rlimit limit = {1 << 20, 1 << 20};
	MUST(setrlimit(RLIMIT_DATA, &limit));
	now = brk_now();
	YES("over RLIMIT_DATA: unchanged", brk_to(now + (2 << 20)) == now);
	errno = 0;
	void *failed = sbrk(1 << 30);
	say("sbrk(1 GiB): %s\n", failed == (void *)-1 ? ename(errno) : "ok");
	return 0;
}

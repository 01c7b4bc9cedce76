// The same piece mapped and unmapped again and again, with one protection or another, read, written or left alone: it is empty each time, and
// what its protection forbids faults.
#include "check.h"

static int wrong;

static void once(int i, int prot, int use) {
	char *p = mmap(NULL, PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED) die("mmap");
	if (use & 1) wrong += strcmp(probe('r', p), "ok") != 0 || p[100] != 0;
	if (use & 2) {
		const char *got = probe('w', p + 8);
		wrong += strcmp(got, prot & PROT_WRITE ? "ok" : "SEGV_ACCERR") != 0;
		if (prot & PROT_WRITE) p[i % PAGE] = 1;
	}
	if (use & 4) wrong += strcmp(probe('x', p), "SEGV_ACCERR") != 0;
	MUST(munmap(p, PAGE));
	if (use & 8) wrong += strcmp(probe('r', p), "SEGV_MAPERR") != 0;
}

int main(void) {
	static const int protections[] = {PROT_READ, PROT_WRITE, PROT_READ | PROT_WRITE};
	for (size_t k = 0; k < COUNT(protections); k++) {
		for (int use = 0; use < 16; use++) {
			for (int i = 0; i < 150; i++) once(i, protections[k], use);
			say("protection %d, use %d: wrong %d\n", protections[k], use, wrong);
		}
	}
	for (int i = 0; i < 3000; i++) once(i, protections[i % 3], i % 7 % 4);
	say("mixed: wrong %d\n", wrong);
	return 0;
}

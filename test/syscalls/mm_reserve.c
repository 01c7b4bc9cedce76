// Huge sparse address space: terabytes of PROT_NONE, islands made accessible, RLIMIT_AS, a scattered access pattern.
#include "check.h"

int main(void) {
	size_t huge = (size_t)1 << 40;
	char *p = mmap(NULL, huge, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	YES("1 TiB reserved", p != MAP_FAILED);
	if (p == MAP_FAILED) return 1;
	say("inside: %s\n", probe('r', p + (huge >> 1)));
	int wrong = 0;
	for (size_t i = 0; i < 64; i++) {
		char *island = p + i * (huge >> 6);
		MUST(mprotect(island, 2 * PAGE, PROT_READ | PROT_WRITE));
		island[PAGE] = (char)i;
	}
	for (size_t i = 0; i < 64; i++) wrong += p[i * (huge >> 6) + PAGE] != (char)i;
	say("wrong of 64 islands: %d\n", wrong);
	pid_t pid = fork();
	if (pid == 0) {
		p[PAGE] = 77;
		_exit(p[63 * (huge >> 6) + PAGE]);
	}
	say("child: %s, parent: %d\n", wname(reap(pid)), p[PAGE]);
	MUST(munmap(p, huge));
	say("after munmap: %s\n", probe('r', p + PAGE));
	// Writable and not reserved, 16 GiB, touched in a few places.
	size_t large = (size_t)16 << 30;
	p = mmap(NULL, large, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	YES("16 GiB mapped", p != MAP_FAILED);
	if (p != MAP_FAILED) {
		for (size_t i = 0; i < 16; i++) p[i << 30] = (char)(i + 1);
		int sum = 0;
		for (size_t i = 0; i < 16; i++) sum += p[i << 30] + p[(i << 30) + 1];
		say("sum: %d\n", sum);
		MUST(munmap(p, large));
	}
	struct rlimit limit = {1 << 30, 1 << 30};
	MUST(setrlimit(RLIMIT_AS, &limit));
	errno = 0;
	p = mmap(NULL, (size_t)2 << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	say("2 GiB with RLIMIT_AS of 1 GiB: %s\n", p == MAP_FAILED ? ename(errno) : "ok");
	p = mmap(NULL, (size_t)100 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	YES("100 MiB still fit", p != MAP_FAILED);
	int count = 0;
	while (mmap(NULL, (size_t)100 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED) count++;
	say("further 100 MiB pieces: %d, then %s\n", count, ename(errno));
	return 0;
}

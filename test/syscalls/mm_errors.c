// The errno values of mmap, munmap, mprotect, mremap, msync, mlock, madvise and mincore.
#include "check.h"

static const char *map(void *at, size_t length, int prot, int flags, int fd, off_t offset) {
	long p = syscall(SYS_mmap, at, length, prot, flags, fd, offset);
	if (p == -1) return ename(errno);
	munmap((void *)p, length);
	return "ok";
}

#define MAP(...) say("mmap(%s): %s\n", #__VA_ARGS__, map(__VA_ARGS__))
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

int main(void) {
	put("file", "content\n");
	int fd = open("file", O_RDWR), reader = open("file", O_RDONLY), writer = open("file", O_WRONLY), dir = open(".", O_RDONLY), path = open("file", O_PATH);
	int fds[2];
	MUST(pipe(fds));
	MAP(NULL, 0, PROT_READ, ANON, -1, 0);
	MAP(NULL, (size_t)-1, PROT_READ, ANON, -1, 0);
	MAP(NULL, (size_t)1 << 47, PROT_READ, ANON, -1, 0);
	MAP(NULL, PAGE, PROT_READ, MAP_ANONYMOUS, -1, 0);
	MAP(NULL, PAGE, PROT_READ, ANON, -1, 1);
	MAP(NULL, PAGE, PROT_READ, MAP_PRIVATE, -1, 0);
	MAP(NULL, PAGE, PROT_READ, MAP_PRIVATE, 999, 0);
	MAP(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 5);
	MAP(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	MAP(NULL, PAGE, PROT_READ, MAP_PRIVATE, dir, 0);
	MAP(NULL, PAGE, PROT_READ, MAP_PRIVATE, fds[0], 0);
	MAP(NULL, PAGE, PROT_READ, MAP_PRIVATE, path, 0);
	MAP(NULL, PAGE, PROT_READ, MAP_PRIVATE, writer, 0);
	MAP(NULL, PAGE, PROT_WRITE, MAP_SHARED, writer, 0);
	MAP(NULL, PAGE, PROT_WRITE, MAP_SHARED, reader, 0);
	MAP(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, reader, 0);
	MAP(NULL, PAGE, PROT_READ, MAP_SHARED, reader, 0);
	MAP(NULL, 0, PROT_READ, MAP_PRIVATE, 999, 0);
	MAP((void *)0x1001, PAGE, PROT_READ, ANON | MAP_FIXED, -1, 0);
	MAP((void *)0x7ffffffff000, PAGE, PROT_READ, ANON | MAP_FIXED, -1, 0);
	MAP((void *)0x800000000000, PAGE, PROT_READ, ANON | MAP_FIXED, -1, 0);
	MAP(KERNEL_HALF, PAGE, PROT_READ, ANON | MAP_FIXED, -1, 0);
	MAP(KERNEL_HALF, PAGE, PROT_READ, ANON, -1, 0);
	MAP(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0x7ffffffffffff000);
	// Sizes of huge pages mean nothing for small ones, and are known.
	MAP(NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE | 0x7c000000, fd, 0);
	MAP(NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE | 0x2000000, fd, 0);
	char *p = anon(4 * PAGE);
	SHOW(munmap(p, 0));
	SHOW(munmap(p + 1, PAGE));
	SHOW(munmap(p, (size_t)-1));
	SHOW(munmap(KERNEL_HALF, PAGE));
	SHOW(munmap((void *)0x7ffffffff000, 2 * PAGE));
	SHOW(munmap((void *)0x100000000000, 100 * PAGE));
	SHOW(munmap(p + 3 * PAGE, 1));
	SHOW(mprotect(p + 1, PAGE, PROT_READ));
	SHOW(mprotect(p, 0, PROT_READ));
	SHOW(mprotect(p, 2 * PAGE, 0x100));
	SHOW(mprotect(p, (size_t)-PAGE, PROT_READ));
	SHOW(mprotect((void *)0x100000000000, PAGE, PROT_READ));
	SHOW(mprotect(p, 5 * PAGE, PROT_READ));
	say("first page of the range that ran into a hole: %s\n", probe('w', p));
	MUST(mprotect(p, 3 * PAGE, PROT_READ | PROT_WRITE));
	char *shared = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, reader, 0);
	SHOW(mprotect(shared, PAGE, PROT_READ | PROT_WRITE));
	SHOW(mprotect(p, PAGE, PROT_READ | PROT_GROWSDOWN));
	SHOW(mprotect(p, PAGE, PROT_READ | PROT_GROWSDOWN | PROT_GROWSUP));
	SHOW(syscall(SYS_mremap, p + 1, PAGE, 2 * PAGE, MREMAP_MAYMOVE, 0));
	SHOW(syscall(SYS_mremap, p, PAGE, 0, MREMAP_MAYMOVE, 0));
	SHOW(syscall(SYS_mremap, p, PAGE, 2 * PAGE, 0x80, 0));
	SHOW(syscall(SYS_mremap, p, PAGE, 2 * PAGE, MREMAP_FIXED, p + 8 * PAGE));
	SHOW(syscall(SYS_mremap, p, 2 * PAGE, 2 * PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, p + PAGE));
	SHOW(syscall(SYS_mremap, p, PAGE, PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, p + 8 * PAGE + 1));
	SHOW(syscall(SYS_mremap, (void *)0x100000000000, PAGE, 2 * PAGE, MREMAP_MAYMOVE, 0));
	SHOW(syscall(SYS_mremap, p, 9 * PAGE, 12 * PAGE, MREMAP_MAYMOVE, 0));
	SHOW(msync(p + 1, PAGE, MS_SYNC));
	SHOW(msync(p, PAGE, MS_SYNC | MS_ASYNC));
	SHOW(msync(p, PAGE, 0x100));
	SHOW(msync(p, PAGE, MS_SYNC));
	SHOW(msync((void *)0x100000000000, PAGE, MS_SYNC));
	SHOW(msync(p, 0, MS_ASYNC));
	SHOW(madvise(p + 1, PAGE, MADV_DONTNEED));
	SHOW(madvise(p, PAGE, 9999));
	SHOW(madvise(p, 0, MADV_DONTNEED));
	SHOW(madvise((void *)0x100000000000, PAGE, MADV_DONTNEED));
	SHOW(madvise((void *)0x100000000000, PAGE, MADV_NORMAL));
	SHOW(madvise(p, (size_t)-1, MADV_DONTNEED));
	unsigned char vector[4];
	SHOW(mincore(p + 1, PAGE, vector));
	SHOW(mincore((void *)0x100000000000, PAGE, vector));
	SHOW(mincore(p, PAGE, WILD));
	SHOW(mincore(p, 0, vector));
	SHOW(mlock((void *)0x100000000000, PAGE));
	SHOW(munlock((void *)0x100000000000, PAGE));
	SHOW(mlock(p, PAGE));
	SHOW(munlock(p, PAGE));
	SHOW(mlockall(0));
	SHOW(mlockall(0x100));
	SHOW(munlockall());
	return 0;
}

// SIGBUS behind the end of a mapped file: code and address, recovery when the file grows, death without a handler.
#include "check.h"

static char *p;

static void die_of_it(void) {
	signal(SIGBUS, SIG_DFL);
	(void)*(volatile char *)(p + PAGE);
}

static void blocked(void) {
	// A blocked SIGBUS from a fault kills, whatever the handler.
	struct sigaction action = {.sa_sigaction = fault_handler, .sa_flags = SA_SIGINFO};
	sigaction(SIGBUS, &action, NULL);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGBUS);
	sigprocmask(SIG_BLOCK, &set, NULL);
	(void)*(volatile char *)(p + PAGE);
}

static void ignored(void) {
	signal(SIGBUS, SIG_IGN);
	(void)*(volatile char *)(p + PAGE);
}

int main(void) {
	int fd = open("file", O_RDWR | O_CREAT, 0644);
	MUST(ftruncate(fd, 100));
	p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char *private = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	say("first page: %s\n", probe('w', p + 4000));
	say("second page read: %s\n", probe('r', p + PAGE + 7));
	say("second page write: %s\n", probe('w', p + PAGE));
	say("private read: %s\n", probe('r', private + PAGE));
	say("private write: %s\n", probe('w', private + 2 * PAGE + 3));
	child("default action", die_of_it);
	child("blocked", blocked);
	child("ignored", ignored);
	MUST(ftruncate(fd, PAGE + 1));
	say("after growth: %s\n", probe('w', p + PAGE));
	say("still behind: %s\n", probe('r', p + 2 * PAGE));
	// An offset wholly behind the end.
	char *far = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 1 << 20);
	say("mapping behind the end: %s\n", far == MAP_FAILED ? ename(errno) : probe('r', far));
	put("empty", "");
	int empty = open("empty", O_RDWR);
	char *e = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, empty, 0);
	say("empty file: %s\n", probe('r', e));
	MUST(write(empty, "hello", 5));
	say("after write: %.5s\n", e);
	// A private copy made before a truncation is lost with it for whole pages behind the end.
	MUST(ftruncate(fd, 2 * PAGE));
	private[PAGE] = 'c';
	MUST(ftruncate(fd, 10));
	say("private copy after truncation: %s\n", probe('r', private + PAGE));
	// An unaligned access with alignment checking off is no fault at all.
	uint64_t words[2] = {0x0102030405060708, 0};
	uint64_t value;
	memcpy(&value, (char *)words + 3, 8);
	say("unaligned: %#lx\n", (long)value);
	return 0;
}

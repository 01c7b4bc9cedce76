// Code made at run time: write then execute, rewritten code, two views of one memfd, NX faults, code across a page boundary.
#include "check.h"

// mov eax, value; ret
static void emit(char *at, int value) {
	at[0] = (char)0xb8;
	memcpy(at + 1, &value, 4);
	at[5] = (char)0xc3;
}

static int call(const char *at) { return ((int (*)(void))(uintptr_t)at)(); }

int main(void) {
	char *p = anon(4 * PAGE);
	emit(p, 42);
	say("call without PROT_EXEC: %s\n", probe('x', p));
	MUST(mprotect(p, 4 * PAGE, PROT_READ | PROT_EXEC));
	say("result %d, write: %s\n", call(p), probe('w', p));
	for (int i = 0; i < 200; i++) {
		MUST(mprotect(p, PAGE, PROT_READ | PROT_WRITE));
		emit(p, i);
		MUST(mprotect(p, PAGE, PROT_READ | PROT_EXEC));
		if (call(p) != i) die("round %d", i);
	}
	say("200 rounds of rewriting\n");
	char *rwx = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int sum = 0;
	for (int i = 0; i < 1000; i++) {
		emit(rwx + i % 7 * 16, i);
		sum += call(rwx + i % 7 * 16);
	}
	say("rwx sum: %d\n", sum);
	emit(rwx + PAGE - 3, 7);
	say("across a page boundary: %d\n", call(rwx + PAGE - 3));
	MUST(mprotect(rwx + PAGE, PAGE, PROT_READ | PROT_WRITE));
	say("second page without PROT_EXEC: %s\n", probe('x', rwx + PAGE));
	// Two views: one writable, one executable.
	int fd = memfd_create("code", 0);
	MUST(ftruncate(fd, PAGE));
	char *w = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), *x = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	emit(w, 1000);
	int first = call(x);
	emit(w, 2000);
	say("two views: %d %d\n", first, call(x));
	// Code from a file, mapped private.
	int file = open("code", O_RDWR | O_CREAT, 0755);
	char bytes[16] = {0};
	emit(bytes, 99);
	MUST(write(file, bytes, 16));
	char *m = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
	say("from a file: %d\n", m == MAP_FAILED ? -1 : call(m));
	// The code a child writes is the child's own.
	pid_t pid = fork();
	if (pid == 0) {
		emit(rwx, 5);
		_exit(call(rwx));
	}
	emit(rwx, 6);
	say("child: %s, parent %d\n", wname(reap(pid)), call(rwx));
	// A syscall instruction in fresh code.
	static const char getpid_code[] = {(char)0xb8, 39, 0, 0, 0, 0x0f, 0x05, (char)0xc3};
	memcpy(rwx + 2 * PAGE, getpid_code, sizeof getpid_code);
	YES("syscall instruction in fresh code", call(rwx + 2 * PAGE) == getpid());
	// At the very end of a page, the next one unmapped.
	MUST(munmap(rwx + 3 * PAGE, PAGE));
	memcpy(rwx + 3 * PAGE - sizeof getpid_code, getpid_code, sizeof getpid_code);
	YES("at the end of a page", call(rwx + 3 * PAGE - sizeof getpid_code) == getpid());
	return 0;
}

// MAP_SHARED | MAP_ANONYMOUS: one memory for parent, child and grandchild; atomic counters; unmapping in one does not touch the others.
#include "check.h"
#include <stdatomic.h>

int main(void) {
	char *p = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED) die("mmap");
	_Atomic int *counter = (_Atomic int *)p;
	p[7 * PAGE] = 'b';
	pid_t pid = fork();
	if (pid == 0) {
		p[PAGE] = 'c';
		pid_t grandchild = fork();
		if (grandchild == 0) {
			p[2 * PAGE] = p[7 * PAGE];
			_exit(0);
		}
		reap(grandchild);
		munmap(p, 8 * PAGE);
		_exit(0);
	}
	say("child: %s\n", wname(reap(pid)));
	say("%c %c\n", p[PAGE], p[2 * PAGE]);
	pid_t pids[8];
	for (int k = 0; k < 8; k++) {
		pids[k] = fork();
		if (pids[k] == 0) {
			for (int i = 0; i < 5000; i++) atomic_fetch_add(counter, 1);
			_exit(0);
		}
	}
	for (int k = 0; k < 8; k++) reap(pids[k]);
	say("counter: %d\n", *counter);
	// A protection changed by a child is the child's.
	pid = fork();
	if (pid == 0) {
		mprotect(p, 8 * PAGE, PROT_READ);
		say("child write: %s\n", probe('w', p));
		_exit(0);
	}
	reap(pid);
	say("parent write: %s\n", probe('w', p));
	// Ping-pong through a page, without any system call but sched_yield.
	_Atomic int *turn = (_Atomic int *)(p + 3 * PAGE);
	pid = fork();
	if (pid == 0) {
		for (int i = 0; i < 100; i++) {
			while (atomic_load(turn) != 2 * i + 1) sched_yield();
			atomic_store(turn, 2 * i + 2);
		}
		_exit(0);
	}
	for (int i = 0; i < 100; i++) {
		atomic_store(turn, 2 * i + 1);
		while (atomic_load(turn) != 2 * i + 2) sched_yield();
	}
	say("ping-pong: %d, %s\n", *turn, wname(reap(pid)));
	// /dev/zero mapped shared is such memory too; mapped private it is anonymous memory.
	int zero = open("/dev/zero", O_RDWR);
	char *z = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, zero, 0), *q = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, zero, 0);
	if (z == MAP_FAILED || q == MAP_FAILED) die("mmap of /dev/zero");
	pid = fork();
	if (pid == 0) {
		z[0] = 'z';
		q[0] = 'q';
		_exit(0);
	}
	reap(pid);
	say("/dev/zero shared: %c, private: %d\n", z[0], q[0]);
	return 0;
}

/* Prints the ns that one getppid takes, by the syscall instruction itself, so that nothing can answer it sooner. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

int main(int argc, char **argv) {
	long count = argc > 1 ? atol(argv[1]) : 100000;
	for (long i = 0; i < count / 10; i++) syscall(SYS_getppid);
	double start = now();
	for (long i = 0; i < count; i++) syscall(SYS_getppid);
	printf("%.1f\n", (now() - start) / (double)count);
	return 0;
}

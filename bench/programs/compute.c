/* Prints the seconds that two threads need to compute without system calls. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static long rounds;

static void *work(void *arg) {
	unsigned long x = (unsigned long)arg;
	for (long i = 0; i < rounds; i++) x = x * 6364136223846793005UL + 1442695040888963407UL;
	return (void *)x;
}

int main(int argc, char **argv) {
	rounds = argc > 1 ? atol(argv[1]) : 1000000000L;
	struct timespec a, b;
	clock_gettime(CLOCK_MONOTONIC, &a);
	pthread_t threads[2];
	for (long i = 0; i < 2; i++) pthread_create(&threads[i], NULL, work, (void *)(i + 1));
	for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("%.4f\n", (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9);
	return 0;
}

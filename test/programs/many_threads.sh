# 64 threads on a mutex.
cat >m.c <<'END'
#include <pthread.h>
#include <stdio.h>
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER; static long n;
static void *run(void *p) { (void)p; for (int i = 0; i < 10000; i++) { pthread_mutex_lock(&m); n++; pthread_mutex_unlock(&m); } return 0; }
int main(void) { for (int round = 0; round < 3; round++) { pthread_t t[64]; for (int i = 0; i < 64; i++) if (pthread_create(&t[i], 0, run, 0)) return 1; for (int i = 0; i < 64; i++) pthread_join(t[i], 0); printf("%ld\n", n); } return 0; }
END
gcc -O2 -pthread -o m m.c && ./m

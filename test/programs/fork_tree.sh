# A 300-deep fork tree: each process forks the next, waits for it and adds one to its status.
cat >f.c <<'END'
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void) {
  int depth = 0; int fds[2]; if (pipe(fds)) return 1;
  for (;;) { if (depth == 300) { char c; (void)!write(fds[1], "x", 1); (void)!read(fds[0], &c, 1); _exit(0); } pid_t p = fork(); if (p < 0) { perror("fork"); _exit(99); } if (p) { int st; waitpid(p, &st, 0); (void)!write(fds[1], "y", 1); if (depth) _exit((WEXITSTATUS(st) + 1) % 100); char buf[400]; long n = read(fds[0], buf, sizeof buf); printf("%d %ld\n", WEXITSTATUS(st), n); return 0; } depth++; }
}
END
gcc -O2 -o f f.c && ./f; ./f
f() { if [ "$1" -gt 0 ]; then (f $(($1 - 1))); else echo bottom; fi; }; f 60

/* operations NAME COUNT [PATH]: performs one small operation COUNT times and prints the nanoseconds that one took. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *path;
static int fd;
static char *area;
static char *self;

static void check(int ok, const char *what) {
  if (ok) return;
  perror(what);
  exit(1);
}

static void op_fork(void) {
  pid_t pid = fork();
  if (pid == 0) _exit(0);
  check(pid > 0 && waitpid(pid, NULL, 0) == pid, "fork");
}

static void op_exec(void) {
  pid_t pid = fork();
  if (pid == 0) {
    execl(self, self, "nothing", "0", NULL);
    _exit(127);
  }
  check(pid > 0 && waitpid(pid, NULL, 0) == pid, "exec");
}

static void op_vfork_exec(void) {
  char *argv[] = {self, "nothing", "0", NULL}, *envp[] = {NULL};
  pid_t pid;
  check(posix_spawn(&pid, self, NULL, NULL, argv, envp) == 0 && waitpid(pid, NULL, 0) == pid, "spawn");
}

static void op_mmap(void) {
  void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  check(p != MAP_FAILED && munmap(p, 4096) == 0, "mmap");
}

static void op_mmap_touch(void) {
  char *p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  check(p != MAP_FAILED, "mmap");
  for (int i = 0; i < 65536; i += 4096) p[i] = 1;
  check(munmap(p, 65536) == 0, "munmap");
}

static void op_mmap_file(void) {
  void *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
  check(p != MAP_FAILED && munmap(p, 4096) == 0, "mmap file");
}

static void op_mprotect(void) {
  static int flip;
  check(mprotect(area, 4096, (flip ^= 1) ? PROT_READ : PROT_READ | PROT_WRITE) == 0, "mprotect");
}

static void op_cow(void) {
  /* 256 pages, shared with a child that never writes, and written one by one. */
  int gate[2];
  check(pipe(gate) == 0, "pipe");
  memset(area, 1, 1 << 20);
  pid_t pid = fork();
  if (pid == 0) {
    char c;
    close(gate[1]);
    _exit(read(gate[0], &c, 1) < 0);
  }
  for (int i = 0; i < 1 << 20; i += 4096) area[i] = 2;
  close(gate[0]);
  close(gate[1]);
  check(waitpid(pid, NULL, 0) == pid, "wait");
}

static void op_read(void) {
  char c;
  check(pread(fd, &c, 1, 0) == 1, "pread");
}

static void op_read64k(void) { check(pread(fd, area, 65536, 0) > 0, "pread"); }
static void op_write(void) { check(pwrite(fd, area, 4096, 0) == 4096, "pwrite"); }

static void op_stat(void) {
  struct stat st;
  check(stat(path, &st) == 0, "stat");
}

static void op_missing(void) {
  struct stat st;
  check(stat("/usr/lib/no-such-file", &st) < 0, "stat");
}

static void op_open(void) {
  int f = open(path, O_RDONLY);
  check(f >= 0 && close(f) == 0, "open");
}

static void op_readdir(void) {
  DIR *d = opendir(path);
  check(d != NULL, "opendir");
  while (readdir(d) != NULL) {
  }
  closedir(d);
}

static const struct {
  const char *name;
  void (*run)(void);
  int flags;
} OPERATIONS[] = {
    {"fork", op_fork, -1},        {"exec", op_exec, -1},           {"spawn", op_vfork_exec, -1},
    {"mmap", op_mmap, -1},        {"mmap-touch", op_mmap_touch, -1}, {"mmap-file", op_mmap_file, O_RDONLY},
    {"mprotect", op_mprotect, -1}, {"cow", op_cow, -1},             {"read", op_read, O_RDONLY},
    {"read64k", op_read64k, O_RDONLY}, {"write", op_write, O_RDWR},  {"stat", op_stat, -1},
    {"missing", op_missing, -1},  {"open", op_open, -1},           {"readdir", op_readdir, -1},
};

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  if (strcmp(argv[1], "nothing") == 0) return 0;
  int64_t count = atoll(argv[2]);
  self = realpath("/proc/self/exe", NULL);
  path = argc > 3 ? argv[3] : self;
  area = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (size_t i = 0; i < sizeof(OPERATIONS) / sizeof(OPERATIONS[0]); i++) {
    if (strcmp(argv[1], OPERATIONS[i].name) != 0) continue;
    if (OPERATIONS[i].flags >= 0) check((fd = open(path, OPERATIONS[i].flags)) >= 0, path);
    for (int64_t n = count / 10 + 1; n > 0; n--) OPERATIONS[i].run();
    int64_t start = now();
    for (int64_t n = count; n > 0; n--) OPERATIONS[i].run();
    printf("%.1f\n", (double)(now() - start) / (double)count);
    return 0;
  }
  return 2;
}

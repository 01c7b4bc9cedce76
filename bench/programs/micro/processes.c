/* Processes, and what passes between them. */
#define _GNU_SOURCE
#include "micro.h"

#include <linux/futex.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static pid_t child;
static int to[2], from[2];
static char byte[1];

static void reap(pid_t pid) {
	int status;
	must("fork", pid);
	must("waitpid", waitpid(pid, &status, 0));
}

static void fork_run(long n) {
	for (long i = 0; i < n; i++) {
		pid_t pid = fork();
		if (pid == 0) _exit(0);
		reap(pid);
	}
}

static void exec_run(long n) {
	char *argv[] = {"micro", "--exit", NULL};
	for (long i = 0; i < n; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			execve(own_path, argv, environ);
			_exit(127);
		}
		reap(pid);
	}
}

static void spawn_run(long n) {
	char *argv[] = {"micro", "--exit", NULL};
	for (long i = 0; i < n; i++) {
		pid_t pid = -1;
		posix_spawn(&pid, own_path, NULL, NULL, argv, environ);
		reap(pid);
	}
}

/* A parent with touched memory: the price of sharing it copy-on-write. */
static char *ballast;
static void ballast_begin(void) {
	ballast = mmap(NULL, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(ballast, 1, 64 << 20);
}
static void ballast_end(void) { munmap(ballast, 64 << 20); }
static void cow_run(long n) {
	for (long i = 0; i < n; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			for (long at = 0; at < 256 * 4096; at += 4096) ballast[at] = 2;
			_exit(0);
		}
		reap(pid);
	}
}

static void echo_end(void) {
	close(to[1]);
	close(from[0]);
	reap(child);
}
static void echo_begin(int in[2], int out[2]) {
	child = (pid_t)must("fork", fork());
	if (child == 0) {
		close(to[1]);
		close(from[0]);
		while (read(in[0], byte, 1) == 1) must("write", write(out[1], byte, 1));
		_exit(0);
	}
	close(to[0]);
	close(from[1]);
}
static void pipe_begin(void) {
	must("pipe", pipe(to));
	must("pipe", pipe(from));
	echo_begin(to, from);
}
static void pipe_run(long n) {
	for (long i = 0; i < n; i++) {
		must("write", write(to[1], byte, 1));
		must("read", read(from[0], byte, 1));
	}
}
static void socket_begin(void) {
	int a[2], b[2];
	must("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, a));
	must("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, b));
	to[0] = a[0];
	to[1] = a[1];
	from[0] = b[0];
	from[1] = b[1];
	echo_begin(to, from);
}

/* turn: 0 ours, 1 the partner's, 2 over. */
static int *turn;
static void wait_while(int value) {
	while (__atomic_load_n(turn, __ATOMIC_ACQUIRE) == value) {
		syscall(SYS_futex, turn, FUTEX_WAIT, value, NULL, NULL, 0);
	}
}
static void give(int value) {
	__atomic_store_n(turn, value, __ATOMIC_RELEASE);
	syscall(SYS_futex, turn, FUTEX_WAKE, 1, NULL, NULL, 0);
}
static void futex_begin(void) {
	turn = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	*turn = 0;
	child = (pid_t)must("fork", fork());
	if (child != 0) return;
	for (;;) {
		wait_while(0);
		if (__atomic_load_n(turn, __ATOMIC_ACQUIRE) == 2) _exit(0);
		give(0);
	}
}
static void futex_run(long n) {
	for (long i = 0; i < n; i++) {
		give(1);
		wait_while(1);
	}
}
static void futex_end(void) {
	give(2);
	reap(child);
	munmap(turn, 4096);
}

const struct row process_rows[] = {
	{"fork+exit+wait", fork_run, NULL, NULL, NULL, 0, 0},
	{"fork+exit+wait, 64 MiB, 256 pages written", cow_run, ballast_begin, NULL, ballast_end, 0, 0},
	{"fork+exec+wait", exec_run, NULL, NULL, NULL, 0, 0},
	{"posix_spawn+wait", spawn_run, NULL, NULL, NULL, 0, 0},
	{"pipe ping-pong, processes", pipe_run, pipe_begin, NULL, echo_end, 0, 0},
	{"unix socket ping-pong, processes", pipe_run, socket_begin, NULL, echo_end, 0, 0},
	{"futex ping-pong, processes", futex_run, futex_begin, NULL, futex_end, 0, 0},
};
const size_t process_count = COUNT(process_rows);

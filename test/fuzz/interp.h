// What the parts of the interpreter share: the operation that runs, output, buffers, the arena.
#ifndef INTERP_H
#define INTERP_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define MAX_WORDS 12
#define PAGE 4096L
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

// Descriptors of the interpreter itself; sequences use those below FD_LIMIT only, which is their RLIMIT_NOFILE.
#define FD_LIMIT 40
#define FD_PROGRAM 100
#define FD_OUTPUT 101
#define FD_PROC 102
#define FD_SELF 103
#define FD_DATA 104

// Where sequences map memory: nothing else is ever put there.
#define ARENA 0x200000000000UL
#define ARENA_PAGES 64

// One line of a sequence, split into words; n[i] is the number that word i starts with.
struct op {
	int line;
	int count;
	char *word[MAX_WORDS];
	long n[MAX_WORDS];
	char text[512];
};

#define OUTPUT_SIZE (4 << 20)
#define MAX_PIDS 256
#define IPC_SLOTS 4
#define DEVICES_MAX 64
// Output goes to memory that every process of a sequence shares, so that printing is no system call that a sequence could
// disturb. The processes are noted there too, so that none is left behind.
struct output {
	volatile long length;
	volatile int pid_count;
	volatile pid_t pids[MAX_PIDS];
	// The sequence has allocated space of a file that it has not written.
	volatile int has_allocated;
	// A pipe or socket has pages of a file.
	volatile int has_spliced;
	// A socket has been sent in a message.
	volatile int has_socket_in_flight;
	// The platform does not see whether a fault was a read or a write.
	volatile int is_access_unknown;
	// Some process has a root of its own choice, maybe one above the sequence's.
	volatile int has_other_root;
	// The file systems that the sequence has mounted.
	int mounted;
	dev_t devices[DEVICES_MAX];
	// Signals and timers that the user has waiting elsewhere.
	long queued_elsewhere;
	// And how many it may have at most.
	rlim_t queue_limit;
	uid_t user;
	// Some process has been given a limit of its own.
	volatile int has_queue_limit;
	// The numbers of shared memory, semaphores and queues, plus one.
	volatile int ipc[3][IPC_SLOTS];
	char text[OUTPUT_SIZE];
};

__attribute__((unused)) static struct output *output;

// Appends to the output of the sequence.
__attribute__((format(printf, 1, 2))) static void say(const char *format, ...);

__attribute__((unused)) static const char *ename(int error) {
	const char *name = error == 0 ? "0" : strerrorname_np(error);
	return name == NULL ? "E?" : name;
}

// Prints what a call returned.
__attribute__((unused)) static void result(long value) {
	if (value == -1) say("%s\n", ename(errno));
	else say("%ld\n", value);
}

// The same where the value belongs to the host.
__attribute__((unused)) static void done(long value) { say("%s\n", value == -1 ? ename(errno) : "ok"); }

__attribute__((unused)) static uint32_t checksum(const void *data, size_t length) {
	const unsigned char *bytes = data;
	uint32_t hash = 2166136261U;
	for (size_t i = 0; i < length; i++) hash = (hash ^ bytes[i]) * 16777619U;
	return hash;
}

__attribute__((unused)) static void fill(void *data, size_t length, long seed) {
	unsigned char *bytes = data;
	for (size_t i = 0; i < length; i++) bytes[i] = (unsigned char)(seed * 37 + (long)i * 7 + (long)(i >> 8));
}

#define BUFFER_SIZE (256 * 1024)
// 64 KiB on each side that nothing uses show up where a call writes beyond its buffer.
__attribute__((unused)) static unsigned char buffer[BUFFER_SIZE] __attribute__((aligned(4096)));

__attribute__((unused)) static size_t clip(long length) { return length < 0 ? 0 : length > BUFFER_SIZE ? BUFFER_SIZE : (size_t)length; }

// Prints a count of bytes and what they are.
__attribute__((unused)) static void result_bytes(long count, const void *data) {
	if (count == -1) say("%s\n", ename(errno));
	else if (count == 0) say("0\n");
	else say("%ld %08x\n", count, checksum(data, (size_t)count));
}

// Where an operation's page number and offset point to.
__attribute__((unused)) static char *arena(long page, long offset) { return (char *)ARENA + page * PAGE + offset; }

// Paths are words: "" is written as ~, a name of N characters as %N; everything else is itself.
__attribute__((unused)) static const char *path_of(const struct op *op, int i) {
	static _Thread_local char names[2][5000];
	static _Thread_local int turn;
	const char *word = op->word[i];
	if (strcmp(word, "~") == 0) return "";
	if (word[0] != '%') return word;
	char *name = names[turn++ & 1];
	long length = atol(word + 1);
	if (length < 0 || length > 4998) length = 4998;
	memset(name, 'x', (size_t)length);
	name[length] = 0;
	return name;
}

// A descriptor argument: "cwd" stands for AT_FDCWD.
__attribute__((unused)) static int dirfd_of(const struct op *op, int i) { return strcmp(op->word[i], "cwd") == 0 ? AT_FDCWD : (int)op->n[i]; }

#endif

// flags: -pthread
// The end of threads and processes: exit_group from any thread, the main thread leaving first, statuses, a fatal signal in one thread.
#include "check.h"
#include <dirent.h>
#include <pthread.h>

static void *forever(void *argument) {
	(void)argument;
	for (;;) pause();
	return NULL;
}

static void *spin(void *argument) {
	(void)argument;
	for (volatile long i = 0;; i++) {
	}
	return NULL;
}

static void start(void *(*body)(void *), void *argument) {
	pthread_t thread;
	if (pthread_create(&thread, NULL, body, argument) != 0) die("pthread_create");
}

static void *exit_group_later(void *argument) {
	sleep_ms(20);
	syscall(SYS_exit_group, (int)(intptr_t)argument);
	return NULL;
}

static void *exit_thread_only(void *argument) {
	syscall(SYS_exit, (int)(intptr_t)argument);
	return NULL;
}

static void from_thread(void) {
	for (int i = 0; i < 4; i++) start(forever, NULL);
	start(spin, NULL);
	start(exit_group_later, (void *)41);
	pause();
}

static void from_main(void) {
	for (int i = 0; i < 4; i++) start(forever, NULL);
	start(spin, NULL);
	_exit(42);
}

// The main thread leaves; the process goes on, and ends with the status of the last exit_group.
static void main_leaves(void) {
	start(exit_group_later, (void *)43);
	syscall(SYS_exit, 9);
}

// Every thread leaves by itself (which of several statuses would count depends on the kernel's version).
static void all_leave(void) {
	for (int i = 0; i < 3; i++) start(exit_thread_only, (void *)44);
	sleep_ms(20);
	syscall(SYS_exit, 44);
}

static void *last_one(void *argument) {
	(void)argument;
	sleep_ms(30);
	syscall(SYS_exit, 60);
	return NULL;
}

static void leader_first(void) {
	start(last_one, NULL);
	syscall(SYS_exit, 60);
}

static void *crash(void *argument) {
	(void)argument;
	*(volatile int *)LOW = 1;
	return NULL;
}

static void thread_crashes(void) {
	start(forever, NULL);
	start(crash, NULL);
	pause();
}

static void *return_soon(void *argument) { return argument; }

static void main_returns_by_pthread_exit(void) {
	start(return_soon, NULL);
	pthread_exit(NULL);
}

static int count_tasks(pid_t pid) {
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
	DIR *dir = opendir(path);
	int count = 0;
	for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) count += entry->d_name[0] != '.';
	if (dir != NULL) closedir(dir);
	return count;
}

static void killed_from_outside(void) {
	for (int i = 0; i < 6; i++) start(i % 2 ? spin : forever, NULL);
	say("tasks: %d\n", count_tasks(getpid()));
	kill(getpid(), SIGKILL);
	pause();
}

int main(void) {
	child("exit_group from a thread", from_thread);
	child("exit_group from the main thread", from_main);
	child("main thread leaves first, then exit_group", main_leaves);
	child("every thread leaves", all_leave);
	child("leader leaves before another thread", leader_first);
	child("one thread crashes", thread_crashes);
	child("pthread_exit in main", main_returns_by_pthread_exit);
	child("SIGKILL with busy threads", killed_from_outside);
	// A zombie leader with a live thread is not waited for until the last one ends.
	pid_t pid = spawn(leader_first);
	say("in the end: %s\n", wname(reap(pid)));
	return 0;
}

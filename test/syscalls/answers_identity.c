// Who am I, asked so often that a sandbox may answer without its kernel: the answers must change at once when the facts do.
// flags: -pthread
#include "check.h"
#include <pthread.h>

#define ROUNDS 400

static int same(long number, long expected) {
	int wrong = 0;
	for (int i = 0; i < ROUNDS; i++) wrong += syscall(number) != expected;
	return wrong;
}

static void *thread(void *unused) {
	(void)unused;
	long tid = syscall(SYS_gettid);
	long wrong = same(SYS_gettid, tid) + same(SYS_getpid, getpid()) + (tid == getpid());
	// Credentials belong to the thread.
	if (syscall(SYS_setresuid, -1, 1234, -1) == 0) wrong += same(SYS_geteuid, 1234) + same(SYS_getuid, 0);
	return (void *)wrong;
}

static void *exec_from_thread(void *path) {
	char *argv[] = {path, "again", NULL};
	say("in a thread: %d\n", same(SYS_getpid, getpid()));
	execv(path, argv);
	return NULL;
}

int main(int argc, char **argv) {
	if (argc > 1) {
		say("after execve by a thread: %d %d\n", same(SYS_getpid, getpid()), same(SYS_gettid, getpid()));
		return 0;
	}
	long pid = getpid();
	say("pid %d tid %d uid %d gid %d\n", same(SYS_getpid, pid), same(SYS_gettid, pid), same(SYS_getuid, 0), same(SYS_getgid, 0));
	for (int i = 0; i < ROUNDS; i++)
		if (sched_yield() != 0) die("sched_yield");
	pthread_t one;
	void *wrong;
	pthread_create(&one, NULL, thread, NULL);
	pthread_join(one, &wrong);
	say("thread: %ld, euid of the others: %d\n", (long)wrong, same(SYS_geteuid, 0));

	pid_t child = fork();
	if (child == 0) {
		int bad = same(SYS_getpid, getpid()) + same(SYS_getppid, pid) + (getpid() == pid) + same(SYS_gettid, getpid());
		for (int i = 1; i <= 5; i++) {
			MUST(setresgid(-1, i, -1));
			bad += same(SYS_getegid, i) + same(SYS_getgid, 0);
		}
		for (int i = 1; i <= 5; i++) {
			MUST(syscall(SYS_setresuid, -1, i, -1));
			bad += same(SYS_geteuid, i) + same(SYS_getuid, 0);
			MUST(syscall(SYS_setresuid, -1, 0, -1));
			bad += same(SYS_geteuid, 0);
		}
		MUST(setgid(77));
		MUST(setuid(78));
		bad += same(SYS_getuid, 78) + same(SYS_geteuid, 78) + same(SYS_getgid, 77) + same(SYS_getegid, 77);
		say("child: %d\n", bad);
		_exit(0);
	}
	waitpid(child, NULL, 0);

	// The parent of the grandchild goes away while it asks.
	MUST(prctl(PR_SET_CHILD_SUBREAPER, 1));
	child = fork();
	if (child == 0) {
		long middle = getpid();
		if (fork() == 0) {
			long before = syscall(SYS_getppid), now = before;
			for (long i = 0; now == before && i < 200000000; i++) now = syscall(SYS_getppid);
			say("orphan: first %s, then %s\n", before == middle ? "its parent" : "other", now == pid ? "the subreaper" : "other");
			_exit(0);
		}
		usleep(20000);
		_exit(0);
	}
	waitpid(child, NULL, 0);
	while (wait(NULL) > 0) continue;
	pthread_create(&one, NULL, exec_from_thread, "/proc/self/exe");
	pthread_join(one, NULL);
	return 1;
}

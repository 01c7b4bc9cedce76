// flags: -pthread
// What threads share (descriptors, directory, umask, handlers, limits) and what they do not (credentials by system call, name, mask, robust list).
#include "check.h"
#include <pthread.h>

static int fd;

static void *body(void *argument) {
	(void)argument;
	fd = open("/dev/null", O_RDONLY);
	MUST(chdir("sub"));
	umask(031);
	signal(SIGUSR1, SIG_IGN);
	struct rlimit limit = {1 << 20, 1 << 20};
	setrlimit(RLIMIT_FSIZE, &limit);
	prctl(PR_SET_NAME, "other");
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	// The bare system call changes one thread only; glibc's wrapper would change all.
	syscall(SYS_setresuid, -1, 1234, -1);
	say("thread: euid %d\n", (int)syscall(SYS_geteuid));
	say("thread: comm %s", cat("/proc/thread-self/comm"));
	return NULL;
}

static void *unshares(void *argument) {
	(void)argument;
	say("unshare(CLONE_FILES): %s\n", unshare(CLONE_FILES) == 0 ? "ok" : ename(errno));
	say("unshare(CLONE_FS): %s\n", unshare(CLONE_FS) == 0 ? "ok" : ename(errno));
	close(fd);
	MUST(chdir("/"));
	umask(0);
	return NULL;
}

int main(void) {
	MUST(mkdir("sub", 0755));
	MUST(close(open("sub/marker", O_WRONLY | O_CREAT, 0644)));
	pthread_t thread;
	pthread_create(&thread, NULL, body, NULL);
	pthread_join(thread, NULL);
	SHOW(fcntl(fd, F_GETFD));
	SHOW(access("marker", F_OK));
	say("umask %03o\n", umask(031));
	struct sigaction action;
	sigaction(SIGUSR1, NULL, &action);
	YES("disposition shared", action.sa_handler == SIG_IGN);
	struct rlimit limit;
	getrlimit(RLIMIT_FSIZE, &limit);
	say("RLIMIT_FSIZE %ld\n", (long)limit.rlim_cur);
	say("main: euid %d\n", (int)syscall(SYS_geteuid));
	char name[17] = {0};
	prctl(PR_GET_NAME, name);
	YES("main keeps its name", strcmp(name, "other") != 0);
	sigset_t mask;
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	YES("mask not shared", sigismember(&mask, SIGUSR2) == 0);
	pthread_create(&thread, NULL, unshares, NULL);
	pthread_join(thread, NULL);
	SHOW(fcntl(fd, F_GETFD));
	SHOW(access("marker", F_OK));
	say("umask %03o\n", umask(0));
	// glibc's wrapper goes round all threads by signal.
	SHOW(setresuid(-1, 4321, -1));
	say("euid %d\n", (int)geteuid());
	return 0;
}

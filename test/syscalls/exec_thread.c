// flags: -pthread
// execve in a thread that is not the leader: the pid stays, the other threads end, the new image has one thread.
#include "check.h"
#include <dirent.h>
#include <pthread.h>

static char **arguments;

static int threads(void) {
	DIR *dir = opendir("/proc/self/task");
	int count = 0;
	for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) count += entry->d_name[0] != '.';
	if (dir != NULL) closedir(dir);
	return count;
}

static void *sleeper(void *argument) {
	(void)argument;
	for (;;) pause();
	return NULL;
}

static void *spinner(void *argument) {
	(void)argument;
	for (volatile long i = 0;; i++) {
	}
	return NULL;
}

static void *executor(void *argument) {
	(void)argument;
	YES("executor is not the leader", gettid() != getpid());
	execve("/proc/self/exe", arguments, environ);
	say("execve: %s\n", ename(errno));
	return NULL;
}

int main(int argc, char **argv) {
	(void)argc;
	char text[32];
	if (getenv("EXEC_PID") != NULL) {
		YES("pid kept", atoi(getenv("EXEC_PID")) == getpid());
		YES("leader", gettid() == getpid());
		say("threads: %d\n", threads());
		pthread_t thread;
		say("pthread_create works: %d\n", pthread_create(&thread, NULL, sleeper, NULL));
		if (strcmp(getenv("EXEC_ROUND"), "1") == 0) return 5;
		setenv("EXEC_ROUND", "1", 1);
	} else {
		setenv("EXEC_ROUND", "0", 1);
	}
	snprintf(text, sizeof text, "%d", (int)getpid());
	setenv("EXEC_PID", text, 1);
	arguments = argv;
	pthread_t thread;
	for (int i = 0; i < 5; i++) pthread_create(&thread, NULL, sleeper, NULL);
	pthread_create(&thread, NULL, spinner, NULL);
	// A failing execve leaves every thread alive.
	int before = threads();
	execve("missing", argv, environ);
	YES("failed execve keeps the threads", threads() == before);
	pthread_create(&thread, NULL, executor, NULL);
	pthread_join(thread, NULL);
	say("the leader came back\n");
	return 1;
}

// Limits that count for a user and not for a process: RLIMIT_SIGPENDING (signals and timers), RLIMIT_NPROC with what execve makes of it.
#include "check.h"

// Nobody's: what others do natively must not count.
#define USER 54321

static int ready[2], go[2];
static void tell(void) { MUST(write(ready[1], "r", 1)); }
static void told(int fd) {
	char c;
	MUST(read(fd, &c, 1));
}

static int queued(void) {
	const char *text = strstr(cat("/proc/self/status"), "SigQ:\t");
	return text == NULL ? -1 : atoi(text + 6);
}

static void limited(int resource, rlim_t value) {
	struct rlimit limit = {value, value};
	MUST(setrlimit(resource, &limit));
}

static void block_all(void) {
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
}

static long queue_to_self(void) {
	union sigval v = {.sival_int = 1};
	return sigqueue(getpid(), SIGRTMIN + 1, v);
}

static void holder(void) {
	MUST(setuid(USER));
	block_all();
	SHOW(queue_to_self());
	SHOW(queue_to_self());
	tell();
	told(go[0]);
}

static void signals(void) {
	pid_t pid = spawn(holder);
	told(ready[0]);
	limited(RLIMIT_SIGPENDING, 4);
	MUST(setuid(USER));
	block_all();
	say("queued by the other %d\n", queued());
	SHOW(queue_to_self());
	SHOW(kill(getpid(), SIGUSR1));
	SHOW(kill(getpid(), SIGUSR1));
	say("with mine %d\n", queued());
	SHOW(queue_to_self());
	timer_t timer;
	SHOW(timer_create(CLOCK_MONOTONIC, NULL, &timer));
	// Not refused, though there is no room.
	SHOW(kill(getpid(), SIGUSR2));
	SHOW(kill(getpid(), SIGRTMIN + 2));
	say("too many %d\n", queued());
	MUST(write(go[1], "g", 1));
	siginfo_t info;
	MUST(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT));
	say("it is dead %d\n", queued());
	reap(pid);
	say("it is gone %d\n", queued());
	SHOW(timer_create(CLOCK_MONOTONIC, NULL, &timer));
	say("a timer %d\n", queued());
	SHOW(timer_delete(timer));
	say("no timer %d\n", queued());
	sigset_t one;
	sigemptyset(&one);
	sigaddset(&one, SIGUSR1);
	int sig;
	SHOW(sigwait(&one, &sig));
	say("taken %d\n", queued());
	pid = fork();
	if (pid == 0) {
		say("child %d\n", queued());
		_exit(0);
	}
	reap(pid);
	SHOW(timer_create(CLOCK_MONOTONIC, NULL, &timer));
	if (fork() == 0) {
		execl("/proc/self/exe", "again", "queued", NULL);
		_exit(1);
	}
	reap(-1);
	signal(SIGRTMIN + 1, SIG_IGN);
	signal(SIGRTMIN + 1, SIG_DFL);
	say("ignored %d\n", queued());
}

static void waiter(void) {
	tell();
	told(go[0]);
}

static void processes(void) {
	limited(RLIMIT_NPROC, 3);
	pid_t pid = fork();
	if (pid == 0) {
		MUST(setuid(USER));
		waiter();
		_exit(0);
	}
	told(ready[0]);
	MUST(setuid(USER));
	pid_t second = spawn(waiter);
	told(ready[0]);
	TRY(fork());
	MUST(write(go[1], "g", 1));
	MUST(write(go[1], "g", 1));
	siginfo_t info;
	MUST(waitid(P_PID, (id_t)second, &info, WEXITED | WNOWAIT));
	MUST(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT));
	TRY(fork());
	reap(second);
	pid_t third = fork();
	if (third == 0) _exit(0);
	YES("there is room once one was waited for", third > 0);
	reap(third);
	reap(pid);
}

static void changed(void) {
	pid_t pids[3];
	for (int i = 0; i < 3; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			MUST(setuid(USER));
			waiter();
			_exit(0);
		}
		told(ready[0]);
	}
	limited(RLIMIT_NPROC, 2);
	pid_t pid = fork();
	if (pid == 0) {
		SHOW(setresuid(USER, USER, 0));
		SHOW(execl("/proc/self/exe", "again", "executed", NULL));
		for (int i = 0; i < 2; i++) MUST(write(go[1], "g", 1));
		MUST(setresuid(0, 0, 0));
		for (;;) {
			char state = 0;
			int dead = 0;
			for (int i = 0; i < 3; i++) {
				char path[40];
				snprintf(path, sizeof path, "/proc/%d/stat", pids[i]);
				const char *text = strrchr(cat(path), ')');
				if (text != NULL) state = text[2];
				dead += text == NULL || state == 'Z';
			}
			if (dead == 2) break;
			sleep_ms(2);
		}
		// They still count, dead as they are.
		SHOW(setresuid(USER, USER, 0));
		SHOW(execl("/proc/self/exe", "again", "executed", NULL));
		_exit(0);
	}
	say("%s\n", wname(reap(pid)));
	MUST(write(go[1], "g", 1));
	for (int i = 0; i < 3; i++) reap(pids[i]);
	pid = fork();
	if (pid == 0) {
		SHOW(setuid(USER));
		execl("/proc/self/exe", "again", "executed", NULL);
		_exit(1);
	}
	say("%s\n", wname(reap(pid)));
}

int main(int argc, char **argv) {
	if (argc > 1) {
		if (strcmp(argv[1], "queued") == 0) say("after execve %d\n", queued());
		else say("executed\n");
		return 0;
	}
	setenv("CHECK_KEEP", "1", 1);
	MUST(pipe(ready));
	MUST(pipe(go));
	child("signals", signals);
	child("processes", processes);
	child("changed", changed);
	return 0;
}

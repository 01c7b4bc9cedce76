// WUNTRACED and WCONTINUED: every stop signal, stops reported once, kill while stopped, stop of a process group, SIGCONT always wakes.
#include "check.h"
#include <stdatomic.h>

static void sleeper(void) {
	for (;;) pause();
}

int main(void) {
	int status;
	static const int stops[] = {SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU};
	// In a session of its own an orphaned group ignores SIGTSTP and its like; here the parent keeps the group from being an orphan.
	for (size_t i = 0; i < COUNT(stops); i++) {
		pid_t pid = spawn(sleeper);
		MUST(setpgid(pid, pid));
		kill(pid, stops[i]);
		waitpid(pid, &status, WUNTRACED);
		say("%s: %s\n", sname(stops[i]), wname(status));
		SHOW(waitpid(pid, &status, WUNTRACED | WNOHANG));
		kill(pid, SIGTERM);  // stays pending while stopped
		sleep_ms(20);
		SHOW(waitpid(pid, &status, WNOHANG));
		kill(pid, SIGCONT);
		say("after SIGCONT: %s\n", wname(reap(pid)));
	}
	pid_t pid = spawn(sleeper);
	kill(pid, SIGSTOP);
	waitpid(pid, &status, WUNTRACED);
	kill(pid, SIGCONT);
	waitpid(pid, &status, WCONTINUED);
	say("%s\n", wname(status));
	YES("SIGCONT constant", WIFCONTINUED(status) && status == 0xffff);
	kill(pid, SIGSTOP);
	waitpid(pid, &status, WUNTRACED);
	kill(pid, SIGKILL);
	say("SIGKILL while stopped: %s\n", wname(reap(pid)));
	// Without WUNTRACED a stop is not reported.
	pid = spawn(sleeper);
	kill(pid, SIGSTOP);
	sleep_ms(20);
	SHOW(waitpid(pid, &status, WNOHANG));
	kill(pid, SIGCONT);
	kill(pid, SIGTERM);
	say("%s\n", wname(reap(pid)));
	// A stopped process does not run; it goes on where it was.
	_Atomic long *counter = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid = fork();
	if (pid == 0) {
		for (;;) atomic_fetch_add(counter, 1);
	}
	while (atomic_load(counter) == 0) sched_yield();
	kill(pid, SIGSTOP);
	waitpid(pid, &status, WUNTRACED);
	long at = atomic_load(counter);
	sleep_ms(30);
	YES("stands still", atomic_load(counter) == at);
	kill(pid, SIGCONT);
	while (atomic_load(counter) == at) sched_yield();
	say("moves again\n");
	kill(pid, SIGKILL);
	reap(pid);
	// Handler for SIGCONT runs after the wake; SIGTSTP can be caught, SIGSTOP cannot.
	say("signal(SIGSTOP): %s\n", signal(SIGSTOP, SIG_IGN) == SIG_ERR ? ename(errno) : "ok");
	// SIGCONT discards pending stops, a stop discards a pending SIGCONT.
	pid = fork();
	if (pid == 0) {
		sigset_t set, pending;
		sigemptyset(&set);
		sigaddset(&set, SIGTSTP);
		sigaddset(&set, SIGCONT);
		sigprocmask(SIG_BLOCK, &set, NULL);
		raise(SIGTSTP);
		sigpending(&pending);
		int first = sigismember(&pending, SIGTSTP);
		raise(SIGCONT);
		sigpending(&pending);
		int second = sigismember(&pending, SIGTSTP), third = sigismember(&pending, SIGCONT);
		raise(SIGTSTP);
		sigpending(&pending);
		_exit(first * 8 + second * 4 + third * 2 + sigismember(&pending, SIGCONT));
	}
	say("pending stop, after cont, cont, cont after stop: %s\n", wname(reap(pid)));
	return 0;
}

// Orphaned process groups: a stopped one gets SIGHUP and SIGCONT; in an orphaned group SIGTSTP does not stop.
#include "check.h"

static int fds[2];
static volatile sig_atomic_t hup, cont;
static void on_hup(int sig) {
	(void)sig;
	hup = 1;
}
static void on_cont(int sig) {
	(void)sig;
	cont = 1;
}

int main(void) {
	MUST(pipe(fds));
	// main -> leader (own session) -> member (own group), stopped; the leader ends.
	pid_t leader = fork();
	if (leader == 0) {
		setsid();
		pid_t member = fork();
		if (member == 0) {
			MUST(setpgid(0, 0));
			signal(SIGHUP, on_hup);
			signal(SIGCONT, on_cont);
			raise(SIGSTOP);
			for (int i = 0; i < 5000 && !(hup && cont); i++) sleep_ms(1);
			char result[2] = {hup ? 'h' : '-', cont ? 'c' : '-'};
			if (write(fds[1], result, 2) != 2) _exit(1);
			_exit(0);
		}
		int status;
		waitpid(member, &status, WUNTRACED);
		if (write(fds[1], WIFSTOPPED(status) ? "s" : "?", 1) != 1) _exit(1);
		_exit(0);
	}
	say("leader: %s\n", wname(reap(leader)));
	char text[8] = {0};
	MUST(read(fds[0], text, 1));
	for (ssize_t have = 0; have < 2;) {
		ssize_t n = read(fds[0], text + 1 + have, (size_t)(2 - have));
		if (n <= 0) die("read");
		have += n;
	}
	say("stopped, then: %s\n", text);
	// In a session with one process its group is an orphan: terminal stops are ignored, SIGSTOP is not.
	pid_t pid = fork();
	if (pid == 0) {
		setsid();
		raise(SIGTSTP);
		raise(SIGTTIN);
		raise(SIGTTOU);
		_exit(12);
	}
	int status;
	waitpid(pid, &status, WUNTRACED);
	say("SIGTSTP in an orphaned group: %s\n", wname(status));
	pid = fork();
	if (pid == 0) {
		setsid();
		raise(SIGSTOP);
		_exit(13);
	}
	waitpid(pid, &status, WUNTRACED);
	say("SIGSTOP: %s\n", wname(status));
	kill(pid, SIGCONT);
	say("then: %s\n", wname(reap(pid)));
	return 0;
}

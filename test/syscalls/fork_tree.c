// Fork trees: a chain 60 deep, a binary tree, 200 siblings, and what comes back through exit statuses.
#include "check.h"

static int chain(int depth) {
	if (depth == 0) return 17;
	pid_t pid = fork();
	if (pid < 0) return 255;
	if (pid == 0) _exit(chain(depth - 1));
	return WEXITSTATUS(reap(pid));
}

static int tree(int depth) {
	if (depth == 0) return 1;
	int total = 0;
	pid_t pids[2];
	for (int i = 0; i < 2; i++) {
		pids[i] = fork();
		if (pids[i] < 0) return 255;
		if (pids[i] == 0) _exit(tree(depth - 1));
	}
	for (int i = 0; i < 2; i++) total += WEXITSTATUS(reap(pids[i]));
	return total;
}

int main(void) {
	say("chain: %d\n", chain(60));
	say("leaves: %d\n", tree(5));
	int sum = 0, ended = 0;
	for (int i = 0; i < 200; i++) {
		pid_t pid = fork();
		if (pid < 0) die("fork %d", i);
		if (pid == 0) _exit(i);
	}
	for (;;) {
		int status;
		pid_t pid = wait(&status);
		if (pid < 0) break;
		ended++;
		sum += WEXITSTATUS(status);
	}
	say("siblings: %d, sum of statuses %d, then %s\n", ended, sum, ename(errno));
	// All alive at once, ended by the closing of a pipe.
	int hold[2], count[2];
	MUST(pipe(hold));
	MUST(pipe(count));
	for (int i = 0; i < 100; i++) {
		pid_t pid = fork();
		if (pid < 0) die("fork %d", i);
		if (pid == 0) {
			char c;
			close(hold[1]);
			if (write(count[1], "x", 1) != 1) _exit(1);
			_exit(read(hold[0], &c, 1) == 0 ? 0 : 2);
		}
	}
	char c;
	for (int i = 0; i < 100; i++) MUST(read(count[0], &c, 1));
	say("alive: 100\n");
	close(hold[1]);
	int bad = 0;
	for (int i = 0; i < 100; i++) {
		int status;
		if (wait(&status) < 0 || status != 0) bad++;
	}
	say("bad endings: %d\n", bad);
	SHOW(wait(NULL));
	return 0;
}

// Atomicity: many writers of up to PIPE_BUF bytes never mix; several readers share without loss or doubling.
#include "check.h"

int main(void) {
	int fds[2];
	MUST(pipe(fds));
	pid_t pids[6];
	for (int k = 0; k < 6; k++) {
		pids[k] = fork();
		if (pids[k] == 0) {
			char record[512];
			close(fds[0]);
			for (int i = 0; i < 100; i++) {
				memset(record, 'A' + k, sizeof record);
				if (write(fds[1], record, sizeof record) != sizeof record) _exit(1);
			}
			_exit(0);
		}
	}
	close(fds[1]);
	int mixed = 0, count[6] = {0};
	char record[512];
	for (;;) {
		size_t have = 0;
		while (have < sizeof record) {
			ssize_t n = read(fds[0], record + have, sizeof record - have);
			if (n <= 0) break;
			have += (size_t)n;
		}
		if (have < sizeof record) break;
		for (size_t i = 1; i < sizeof record; i++) mixed += record[i] != record[0];
		count[record[0] - 'A']++;
	}
	say("mixed %d, records", mixed);
	for (int k = 0; k < 6; k++) say(" %d", count[k]);
	int bad = 0;
	for (int k = 0; k < 6; k++) bad += reap(pids[k]) != 0;
	say(", bad writers %d\n", bad);
	// Readers.
	int results[2];
	MUST(pipe(fds));
	MUST(pipe(results));
	for (int k = 0; k < 4; k++) {
		pids[k] = fork();
		if (pids[k] == 0) {
			close(fds[1]);
			long sum = 0;
			int number;
			while (read(fds[0], &number, sizeof number) == sizeof number) sum += number;
			_exit(write(results[1], &sum, sizeof sum) == sizeof sum ? 0 : 1);
		}
	}
	close(fds[0]);
	for (int i = 1; i <= 2000; i++) MUST(write(fds[1], &i, sizeof i));
	close(fds[1]);
	long total = 0, sum;
	for (int k = 0; k < 4; k++) {
		MUST(read(results[0], &sum, sizeof sum));
		total += sum;
	}
	for (int k = 0; k < 4; k++) reap(pids[k]);
	say("sum over four readers: %ld\n", total);
	return 0;
}

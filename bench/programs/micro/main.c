/*
 * micro [--budget=MS] [--only=TEXT] GROUP...: measures operations and prints one line "name|unit|value" for each.
 *
 * GROUP is calls, memory, processes, threads, root (read-only root file system), new=DIR (names that nobody asked for
 * before), or PREFIX=DIR (file operations in a directory; PREFIX begins the rows' names).
 * Built static, so that the same program runs in every kind of sandbox whatever is in the root file system.
 */
#include "micro.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

const char *work_dir = "/tmp";
const char *own_path = "/proc/self/exe";
static double budget_ns = 1e8;
static const char *only = "";

double now_ns(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

long must(const char *what, long result) {
	if (result >= 0) return result;
	fprintf(stderr, "micro: %s: %s\n", what, strerror(errno));
	exit(1);
}

void measure(const char *prefix, const struct row *rows, size_t count) {
	for (size_t i = 0; i < count; i++) {
		const struct row *row = &rows[i];
		char name[128];
		snprintf(name, sizeof(name), "%s%s", prefix, row->name);
		if (strstr(name, only) == NULL) continue;
		if (row->begin != NULL) row->begin();
		double took = 0;
		long n = 1;
		for (;;) {
			double start = now_ns();
			row->run(n);
			took = now_ns() - start;
			if (row->undo != NULL) row->undo(n);
			if (took >= budget_ns || (row->most != 0 && n >= row->most)) break;
			/* Towards the budget, and at most eightfold: the first runs warm up. */
			double factor = took > 0 ? budget_ns * 1.2 / took : 8;
			n = factor > 8 ? n * 8 : factor < 1.3 ? n + n / 3 + 1 : (long)((double)n * factor) + 1;
			if (row->most != 0 && n > row->most) n = row->most;
		}
		if (row->end != NULL) row->end();
		double each = took / (double)n;
		if (row->bytes > 0) printf("%s|MiB/s|%.2f\n", name, (double)row->bytes / 1048576 / (each / 1e9));
		else printf("%s|ns|%.1f\n", name, each);
		fflush(stdout);
	}
}

int main(int argc, char **argv) {
	if (argc == 2 && strcmp(argv[1], "--exit") == 0) return 0;
	for (int i = 1; i < argc; i++) {
		char *word = argv[i];
		char *equals = strchr(word, '=');
		if (strncmp(word, "--budget=", 9) == 0) budget_ns = atof(word + 9) * 1e6;
		else if (strncmp(word, "--only=", 7) == 0) only = word + 7;
		else if (strcmp(word, "calls") == 0) measure("", call_rows, call_count);
		else if (strcmp(word, "memory") == 0) measure("", memory_rows, memory_count);
		else if (strcmp(word, "processes") == 0) measure("", process_rows, process_count);
		else if (strcmp(word, "threads") == 0) measure("", thread_rows, thread_count);
		else if (strcmp(word, "root") == 0) measure("root: ", root_rows, root_count);
		else if (strncmp(word, "new=", 4) == 0) {
			work_dir = word + 4;
			measure("gofer: ", gofer_rows, gofer_count);
		} else if (equals != NULL) {
			char prefix[64];
			snprintf(prefix, sizeof(prefix), "%.*s: ", (int)(equals - word), word);
			work_dir = equals + 1;
			measure(prefix, file_rows, file_count);
		} else {
			fprintf(stderr, "micro: unknown group %s\n", word);
			return 2;
		}
	}
	return 0;
}

/* Rows of the micro benchmark: each operation is run n times, n growing until the run is long enough to be measured. */
#ifndef MICRO_H
#define MICRO_H

#include <stddef.h>

struct row {
	const char *name;
	/* n operations, timed. */
	void (*run)(long n);
	/* Once before the first run; after each run, not timed; once at the end. Each may be NULL. */
	void (*begin)(void);
	void (*undo)(long n);
	void (*end)(void);
	/* Most operations in one run; 0: no limit. */
	long most;
	/* Bytes that one operation moves: the row is a throughput, MiB/s. 0: ns for each operation. */
	long bytes;
};

/* Prints "name|unit|value" for each row that was asked for; names begin with `prefix`. */
void measure(const char *prefix, const struct row *rows, size_t count);

/* Ends the program with a message when `result` is negative (errno is shown). Returns it otherwise. */
long must(const char *what, long result);

double now_ns(void);

extern const struct row call_rows[], memory_rows[], file_rows[], gofer_rows[], root_rows[], process_rows[], thread_rows[];
extern const size_t call_count, memory_count, file_count, gofer_count, root_count, process_count, thread_count;
/* Set for file rows: the directory to work in. */
extern const char *work_dir;
/* This program's own path, for exec. */
extern const char *own_path;

#define COUNT(rows) (sizeof(rows) / sizeof(rows[0]))

#endif

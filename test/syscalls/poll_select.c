// select and pselect6: sets in and out, the remaining time, high descriptors, masks, errors.
#include "check.h"
#include <sys/select.h>

static void handler(int sig) { (void)sig; }

int main(void) {
	int a[2], b[2];
	MUST(pipe(a));
	MUST(pipe(b));
	MUST(write(a[1], "x", 1));
	fd_set r, w, e;
	struct timeval zero = {0, 0}, t;
#define SETS() \
	do { \
		FD_ZERO(&r); \
		FD_ZERO(&w); \
		FD_ZERO(&e); \
		FD_SET(a[0], &r); \
		FD_SET(b[0], &r); \
		FD_SET(a[1], &w); \
		FD_SET(a[0], &e); \
	} while (0)
	SETS();
	SHOW(select(20, &r, &w, &e, &zero));
	say("%d %d %d %d\n", !!FD_ISSET(a[0], &r), !!FD_ISSET(b[0], &r), !!FD_ISSET(a[1], &w), !!FD_ISSET(a[0], &e));
	SETS();
	SHOW(select(a[0], &r, &w, &e, &zero));
	SETS();
	SHOW(select(a[0] + 1, &r, NULL, NULL, NULL));
	// Timeout, and what is left of it.
	FD_ZERO(&r);
	FD_SET(b[0], &r);
	t = (struct timeval){0, 30000};
	long before = now_ms();
	SHOW(select(20, &r, NULL, NULL, &t));
	YES("waited", now_ms() - before >= 30);
	say("left %ld.%ld, set cleared %s\n", (long)t.tv_sec, (long)t.tv_usec, yes(!FD_ISSET(b[0], &r)));
	FD_SET(a[0], &r);
	t = (struct timeval){5, 0};
	SHOW(select(20, &r, NULL, NULL, &t));
	YES("most of it is left", t.tv_sec == 4 || t.tv_sec == 5);
	t = (struct timeval){0, 20000};
	before = now_ms();
	SHOW(select(0, NULL, NULL, NULL, &t));
	YES("as a sleep", now_ms() - before >= 20);
	// A file is always ready; a hung up pipe is readable; a pipe without reader is writable.
	put("f", "");
	int f = open("f", O_RDWR);
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_SET(f, &r);
	FD_SET(f, &w);
	SHOW(select(20, &r, &w, NULL, &zero));
	close(b[1]);
	FD_ZERO(&r);
	FD_SET(b[0], &r);
	SHOW(select(20, &r, NULL, NULL, &zero));
	int c[2];
	MUST(pipe(c));
	close(c[0]);
	FD_ZERO(&w);
	FD_SET(c[1], &w);
	SHOW(select(20, NULL, &w, NULL, &zero));
	// High numbers.
	int high = fcntl(a[0], F_DUPFD, 1000);
	FD_ZERO(&r);
	FD_SET(high, &r);
	SHOW(select(high + 1, &r, NULL, NULL, &zero));
	// Errors.
	FD_ZERO(&r);
	FD_SET(500, &r);
	SHOW(select(501, &r, NULL, NULL, &zero));
	SHOW(select(-1, NULL, NULL, NULL, &zero));
	t = (struct timeval){-1, 0};
	SHOW(select(0, NULL, NULL, NULL, &t));
	t = (struct timeval){0, 0};
	SHOW(syscall(SYS_select, 20, WILD, NULL, NULL, &t));
	SHOW(syscall(SYS_select, 0, NULL, NULL, NULL, WILD));
	SHOW(syscall(SYS_select, 100000, NULL, NULL, NULL, &t));
	// Signals.
	signal(SIGALRM, handler);
	MUST(read(a[0], (char[4]){0}, 4));
	FD_ZERO(&r);
	FD_SET(a[0], &r);
	ticks(20);
	SHOW(select(20, &r, NULL, NULL, NULL));
	ticks(0);
	YES("sets untouched on an error", FD_ISSET(a[0], &r));
	sigset_t block, none;
	sigemptyset(&block);
	sigaddset(&block, SIGALRM);
	sigemptyset(&none);
	sigprocmask(SIG_BLOCK, &block, NULL);
	raise(SIGALRM);
	struct timespec late = {5, 0}, tiny = {0, 1000000}, bad = {0, -1};
	SHOW(pselect(20, &r, NULL, NULL, &tiny, NULL));
	FD_SET(a[0], &r);
	SHOW(pselect(20, &r, NULL, NULL, &late, &none));
	YES("pselect leaves the timeout", late.tv_sec == 5);
	SHOW(pselect(20, &r, NULL, NULL, &bad, NULL));
	return 0;
}

// Named pipes: open waits for the other side, O_NONBLOCK rules, O_RDWR, EOF and new writers, stat, errors.
#include "check.h"

static void nothing(int sig) { (void)sig; }

int main(void) {
	char text[16] = {0};
	SHOW(mkfifo("fifo", 0640));
	SHOW(mkfifo("fifo", 0600));
	struct stat st;
	MUST(stat("fifo", &st));
	say("type %c mode %o size %ld\n", type_letter(st.st_mode), st.st_mode & 07777, (long)st.st_size);
	SHOW(open("fifo", O_WRONLY | O_NONBLOCK));
	int r = open("fifo", O_RDONLY | O_NONBLOCK);
	YES("reader, nonblocking", r >= 0);
	SHOW(read(r, text, 5));
	int w = open("fifo", O_WRONLY | O_NONBLOCK);
	YES("writer then", w >= 0);
	SHOW(read(r, text, 5));
	SHOW(write(w, "abc", 3));
	SHOW(read(r, text, 5));
	close(w);
	SHOW(read(r, text, 5));
	w = open("fifo", O_WRONLY);
	SHOW(write(w, "again", 5));
	SHOW(read(r, text, 5));
	say("%s\n", text);
	close(r);
	close(w);
	// Blocking opens meet.
	pid_t pid = fork();
	if (pid == 0) {
		sleep_ms(40);
		int fd = open("fifo", O_WRONLY);
		_exit(write(fd, "met", 3) == 3 ? 0 : 1);
	}
	long before = now_ms();
	r = open("fifo", O_RDONLY);
	YES("open waited", now_ms() - before >= 35);
	memset(text, 0, sizeof text);
	SHOW(read(r, text, 10));
	say("%s, %s\n", text, wname(reap(pid)));
	SHOW(read(r, text, 10));
	close(r);
	int rw = open("fifo", O_RDWR);
	YES("O_RDWR does not wait", rw >= 0);
	SHOW(write(rw, "self", 4));
	SHOW(read(rw, text, 10));
	close(rw);
	// A signal interrupts the wait in open.
	struct sigaction action = {.sa_handler = nothing};
	sigaction(SIGALRM, &action, NULL);
	struct itimerval timer = {{0, 20000}, {0, 20000}};
	setitimer(ITIMER_REAL, &timer, NULL);
	SHOW(open("fifo", O_RDONLY));
	timer.it_interval.tv_usec = timer.it_value.tv_usec = 0;
	setitimer(ITIMER_REAL, &timer, NULL);
	SHOW(open("fifo", O_RDONLY | O_NONBLOCK | O_DIRECTORY));
	SHOW(lseek(open("fifo", O_RDWR), 0, SEEK_SET));
	SHOW(truncate("fifo", 0));
	SHOW(mknod("made", S_IFIFO | 0600, 0));
	SHOW(mknod("regular", S_IFREG | 0600, 0));
	SHOW(mknod("sock", S_IFSOCK | 0600, 0));
	SHOW(mknod("directory", S_IFDIR | 0600, 0));
	SHOW(mknod("strange", 0130000 | 0600, 0));
	SHOW(mknod("missing/x", S_IFREG | 0600, 0));
	MUST(lstat("sock", &st));
	say("type %c\n", type_letter(st.st_mode));
	SHOW(open("sock", O_RDONLY));
	MUST(unlink("fifo"));
	SHOW(open("fifo", O_RDONLY | O_NONBLOCK));
	return 0;
}

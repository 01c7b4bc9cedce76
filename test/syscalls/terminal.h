// A terminal that controls a session of its own, and a signal between processes through pipes.
#include <pty.h>
#include <sys/ioctl.h>

static int master, ready[2];
static char slave_name[64];

// f runs as leader of a session whose controlling terminal is a new slave, on descriptor 0; its stdout stays ours.
static pid_t in_session(void (*f)(void)) {
	int slave;
	MUST(openpty(&master, &slave, slave_name, NULL, NULL));
	pid_t pid = fork();
	if (pid == 0) {
		setsid();
		MUST(ioctl(slave, TIOCSCTTY, 0));
		dup2(slave, 0);
		close(slave);
		close(master);
		f();
		_exit(0);
	}
	close(slave);
	return pid;
}

// Through `ready`: somebody has got so far.
static void tell(void) { MUST(write(ready[1], "r", 1)); }
static void told_by(int *fds) {
	char c;
	MUST(read(fds[0], &c, 1));
}
UNUSED static void told(void) { told_by(ready); }

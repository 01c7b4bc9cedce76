// Controlling terminals: Ctrl-C, Ctrl-\, Ctrl-Z, window size and SIGWINCH, SIGTTIN and SIGTTOU, foreground groups, hang-up, /dev/tty.
#include "check.h"
#include "terminal.h"
#include <poll.h>
#include <termios.h>

static int go[2];

static void type(const char *text, size_t n) { MUST(write(master, text, n)); }

// For a reader that may not have reached its read yet: types again if nothing came of it.
static void type_until_told(const char *text, size_t n) {
	struct pollfd p = {ready[0], POLLIN, 0};
	sleep_ms(30);
	do {
		type(text, n);
	} while (poll(&p, 1, 400) == 0);
	told();
}

static volatile sig_atomic_t got[65];
static void handler(int sig) { got[sig]++; }

static void wait_forever(void) {
	tell();
	for (;;) pause();
}

static void foreground_child(void) {
	// As a shell does: a child in a group of its own is made the foreground group.
	pid_t pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		for (;;) pause();
	}
	setpgid(pid, pid);
	signal(SIGTTOU, SIG_IGN);
	SHOW(tcsetpgrp(0, pid));
	YES("foreground group", tcgetpgrp(0) == pid);
	tell();
	int status;
	waitpid(pid, &status, WUNTRACED);
	say("child %s\n", wname(status));
	if (WIFSTOPPED(status)) {
		kill(pid, SIGCONT);
		tell();
		waitpid(pid, &status, 0);
		say("child %s\n", wname(status));
	}
	SHOW(tcsetpgrp(0, getpgrp()));
}

static void background(void) {
	signal(SIGTTOU, SIG_DFL);
	pid_t pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		char c;
		(void)!read(0, &c, 1);
		_exit(0);
	}
	setpgid(pid, pid);
	int status;
	waitpid(pid, &status, WUNTRACED);
	say("background read: %s\n", wname(status));
	kill(pid, SIGKILL);
	reap(pid);
	pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		signal(SIGTTIN, SIG_IGN);
		char c;
		say("ignoring SIGTTIN: %s\n", read(0, &c, 1) < 0 ? ename(errno) : "read");
		struct termios t;
		tcgetattr(0, &t);
		tcsetattr(0, TCSANOW, &t);
		_exit(0);
	}
	setpgid(pid, pid);
	waitpid(pid, &status, WUNTRACED);
	say("background tcsetattr: %s\n", wname(status));
	kill(pid, SIGKILL);
	reap(pid);
	pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		_exit(write(0, "text", 4) == 4 ? 0 : 1);
	}
	setpgid(pid, pid);
	waitpid(pid, &status, WUNTRACED);
	say("background write without TOSTOP: %s\n", wname(status));
	struct termios t;
	tcgetattr(0, &t);
	t.c_lflag |= TOSTOP;
	tcsetattr(0, TCSANOW, &t);
	pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		_exit(write(0, "text", 4) == 4 ? 0 : 1);
	}
	setpgid(pid, pid);
	waitpid(pid, &status, WUNTRACED);
	say("with TOSTOP: %s\n", wname(status));
	kill(pid, SIGKILL);
	reap(pid);
}

static void winch(void) {
	signal(SIGWINCH, handler);
	tell();
	for (int i = 0; i < 5000 && !got[SIGWINCH]; i++) sleep_ms(1);
	struct winsize size;
	SHOW(ioctl(0, TIOCGWINSZ, &size));
	say("SIGWINCH %d, %d rows %d columns\n", got[SIGWINCH], size.ws_row, size.ws_col);
}

static void dev_tty(void) {
	int tty = open("/dev/tty", O_RDWR);
	YES("/dev/tty", tty >= 0);
	struct stat a, b;
	fstat(tty, &a);
	fstat(0, &b);
	YES("it is the terminal", isatty(tty) && S_ISCHR(a.st_mode) && S_ISCHR(b.st_mode));
	MUST(write(tty, "via dev tty\n", 12));
	pid_t session = 0;
	SHOW(ioctl(0, TIOCGSID, &session));
	YES("its session", session == getsid(0));
	signal(SIGHUP, handler);  // a session leader that gives its terminal up gets one
	SHOW(ioctl(tty, TIOCNOTTY));
	say("SIGHUP %d\n", got[SIGHUP]);
	SHOW(open("/dev/tty", O_RDWR));
}

static void interrupted(void) {
	struct sigaction action = {.sa_handler = handler};
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGQUIT, &action, NULL);
	tell();
	char text[64];
	ssize_t n = read(0, text, sizeof text);
	say("read %s, SIGINT %s\n", n < 0 ? ename(errno) : "done", yes(got[SIGINT] > 0));
	tell();
	n = read(0, text, sizeof text);
	say("read %s, SIGQUIT %s\n", n < 0 ? ename(errno) : "done", yes(got[SIGQUIT] > 0));
	tell();
	n = read(0, text, sizeof text);
	say("line: %.*s", (int)n, text);
}

int main(void) {
	MUST(pipe(ready));
	MUST(pipe(go));
	char buffer[256];
	pid_t pid = in_session(wait_forever);
	told();
	type("\x03", 1);
	say("Ctrl-C: %s\n", wname(reap(pid)));
	ssize_t n = read(master, buffer, sizeof buffer);
	say("echo: %.*s\n", n < 0 ? 0 : (int)n, buffer);
	close(master);
	pid = in_session(wait_forever);
	told();
	type("\x1c", 1);
	say("Ctrl-\\: %s\n", wname(reap(pid)));
	close(master);
	pid = in_session(interrupted);
	told();
	type_until_told("lost\x03", 5);
	type_until_told("\x1c", 1);
	type("kept\n", 5);
	say("leader: %s\n", wname(reap(pid)));
	close(master);
	pid = in_session(foreground_child);
	told();
	type("\x1a", 1);
	told();
	type("\x03", 1);
	say("leader: %s\n", wname(reap(pid)));
	close(master);
	pid = in_session(background);
	say("leader: %s\n", wname(reap(pid)));
	close(master);
	pid = in_session(winch);
	told();
	struct winsize size = {33, 99, 0, 0};
	SHOW(ioctl(master, TIOCSWINSZ, &size));
	say("leader: %s\n", wname(reap(pid)));
	close(master);
	pid = in_session(dev_tty);
	say("leader: %s\n", wname(reap(pid)));
	n = read(master, buffer, sizeof buffer);
	say("master reads %zd bytes\n", n);
	close(master);
	// Closing the master hangs up the session.
	pid = in_session(wait_forever);
	told();
	close(master);
	say("hang-up: %s\n", wname(reap(pid)));
	int slave;
	MUST(openpty(&master, &slave, NULL, NULL, NULL));
	SHOW(ioctl(slave, TIOCGWINSZ, WILD));
	SHOW(ioctl(slave, TIOCGPGRP, &pid));
	SHOW(tcsetpgrp(slave, getpgrp()));
	SHOW(ioctl(slave, 0x5499, 0));
	SHOW(ioctl(99, TCGETS, buffer));
	SHOW(tcgetattr(ready[0], (struct termios *)buffer));
	return 0;
}

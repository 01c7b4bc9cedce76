// The ends of terminals: orphaned groups, hang-ups of every kind, a session leader's exit, stealing, and who may have which terminal.
#include "check.h"
#include "terminal.h"
#include <poll.h>
#include <termios.h>

static volatile sig_atomic_t got[65];
static void handler(int sig) { got[sig]++; }

static void wait_until_orphan(pid_t parent) {
	while (getppid() == parent) sleep_ms(1);
}

// A background group whose last tie to the rest of the session goes away.
static void orphaned(void) {
	pid_t leader = getpid();
	int done[2];
	MUST(pipe(done));
	pid_t middle = fork();
	if (middle == 0) {
		pid_t mine = getpid();
		if (fork() == 0) {
			setpgid(0, 0);
			wait_until_orphan(mine);
			YES("still of the session", getsid(0) == leader && getpgrp() == getpid());
			char c;
			SHOW(read(0, &c, 1));
			struct termios t;
			SHOW(tcgetattr(0, &t));
			SHOW(tcsetattr(0, TCSANOW, &t));
			SHOW(tcsetpgrp(0, getpgrp()));
			SHOW(write(0, "w", 1));
			t.c_lflag |= TOSTOP;
			signal(SIGTTOU, SIG_IGN);
			SHOW(tcsetattr(0, TCSANOW, &t));
			signal(SIGTTOU, SIG_DFL);
			SHOW(write(0, "w", 1));
			signal(SIGTTOU, SIG_IGN);
			SHOW(write(0, "w", 1));
			// Job control signals do not stop it.
			SHOW(raise(SIGTSTP));
			SHOW(raise(SIGTTIN));
			MUST(write(done[1], "d", 1));
			_exit(0);
		}
		_exit(0);
	}
	reap(middle);
	char c;
	MUST(read(done[0], &c, 1));
}

// Signals blocked or ignored instead of default, with a parent in the session.
static void background_rules(void) {
	pid_t pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		sigset_t set;
		sigemptyset(&set);
		sigaddset(&set, SIGTTIN);
		sigaddset(&set, SIGTTOU);
		sigprocmask(SIG_BLOCK, &set, NULL);
		char c;
		SHOW(read(0, &c, 1));
		struct termios t;
		SHOW(tcgetattr(0, &t));
		SHOW(tcsetattr(0, TCSANOW, &t));
		SHOW(tcsetpgrp(0, getppid()));
		sigprocmask(SIG_UNBLOCK, &set, NULL);
		// A handler runs, and the call is tried again or fails.
		struct sigaction action = {.sa_handler = handler};
		sigaction(SIGTTIN, &action, NULL);
		sigaction(SIGTTOU, &action, NULL);
		SHOW(read(0, &c, 1));
		SHOW(tcsetattr(0, TCSANOW, &t));
		SHOW(tcflush(0, TCIFLUSH));
		SHOW(tcflow(0, TCOON));
		SHOW(tcsendbreak(0, 0));
		SHOW(tcdrain(0));
		say("SIGTTIN %d, SIGTTOU %d\n", got[SIGTTIN], got[SIGTTOU]);
		struct winsize size;
		SHOW(ioctl(0, TIOCGWINSZ, &size));
		SHOW(ioctl(0, TIOCSWINSZ, &size));
		SHOW(tcgetpgrp(0) == getppid());
		struct pollfd p = {0, POLLIN | POLLOUT, 0};
		SHOW(poll(&p, 1, 0));
		_exit(0);
	}
	setpgid(pid, pid);
	say("background: %s\n", wname(reap(pid)));
	// A group that is gone stays the foreground group.
	pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		_exit(0);
	}
	setpgid(pid, pid);
	signal(SIGTTOU, SIG_IGN);
	SHOW(tcsetpgrp(0, pid));
	reap(pid);
	YES("gone, but still the foreground", tcgetpgrp(0) == pid);
	SHOW(tcsetpgrp(0, pid));
	SHOW(tcsetpgrp(0, 1));
	SHOW(tcsetpgrp(0, -1));
	SHOW(tcsetpgrp(0, 999999));
	SHOW(ioctl(0, TIOCSPGRP, WILD));
	SHOW(ioctl(0, TIOCGPGRP, WILD));
	SHOW(tcsetpgrp(0, getpgrp()));
}

static void on_hup(int sig) {
	(void)sig;
	got[SIGHUP]++;
}

// The terminal after its master is gone.
static void after_hangup(void) {
	signal(SIGHUP, on_hup);
	signal(SIGCONT, handler);
	int tty = open("/dev/tty", O_RDWR);
	tell();
	while (!got[SIGHUP]) sleep_ms(1);
	sleep_ms(20);
	char c;
	struct termios t;
	struct winsize size;
	int value;
	say("SIGHUP %d SIGCONT %d\n", got[SIGHUP], got[SIGCONT]);
	SHOW(read(0, &c, 1));
	SHOW(read(0, &c, 0));
	SHOW(write(0, "x", 1));
	SHOW(write(0, "x", 0));
	SHOW(tcgetattr(0, &t));
	SHOW(ioctl(0, TIOCGWINSZ, &size));
	SHOW(ioctl(0, FIONREAD, &value));
	SHOW(ioctl(0, TIOCGPGRP, &value));
	SHOW(ioctl(0, TIOCSCTTY, 0));
	SHOW(ioctl(0, TIOCNOTTY, 0));
	SHOW(ioctl(0, 0x54ff, 0));
	SHOW(isatty(0));
	struct pollfd p = {0, POLLIN | POLLOUT, 0};
	SHOW(poll(&p, 1, 0));
	say("revents %x\n", p.revents);
	SHOW(read(tty, &c, 1));
	SHOW(open("/dev/tty", O_RDWR));
	SHOW(open(slave_name, O_RDWR));
	YES("the session goes on", getsid(0) == getpid());
}

// The leader ends: its foreground group is hung up, the others are not, and the terminal is nobody's.
static int results[2], go[2], go_background[2];
static void wait_for(int *fds) {
	char c;
	MUST(read(fds[0], &c, 1));
}
static void leader_exits(void) {
	pid_t me = getpid();
	pid_t pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		signal(SIGTTOU, SIG_IGN);
		MUST(tcsetpgrp(0, getpid()));
		struct sigaction action = {.sa_handler = handler};
		sigaction(SIGHUP, &action, NULL);
		sigaction(SIGCONT, &action, NULL);
		MUST(write(results[1], "f", 1));
		while (!got[SIGHUP]) sleep_ms(1);
		wait_until_orphan(me);
		wait_for(go);
		char c;
		say("foreground: SIGHUP %d SIGCONT %d\n", got[SIGHUP], got[SIGCONT]);
		// The terminal works on, for anybody who has it open.
		fcntl(0, F_SETFL, O_NONBLOCK);
		SHOW(read(0, &c, 1));
		SHOW(write(0, "x", 1));
		struct termios t;
		SHOW(tcgetattr(0, &t));
		SHOW(open("/dev/tty", O_RDWR));
		SHOW(tcgetpgrp(0));
		MUST(write(results[1], "F", 1));
		_exit(0);
	}
	char c;
	MUST(read(results[0], &c, 1));
	pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		signal(SIGHUP, handler);
		MUST(write(results[1], "b", 1));
		wait_until_orphan(me);
		wait_for(go_background);
		// It would have been signalled as a member of a newly orphaned group only if it were stopped.
		say("background: SIGHUP %d\n", got[SIGHUP]);
		MUST(write(results[1], "B", 1));
		_exit(0);
	}
	MUST(read(results[0], &c, 1));
	tell();
	char line[8];
	(void)!read(ready[0], line, 0);
}

// Only the leader hears of a hang-up at once; the foreground group of then hears of it when the leader ends.
static void foreground_after_hangup(void) {
	pid_t me = getpid();
	signal(SIGHUP, SIG_IGN);
	pid_t pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		signal(SIGTTOU, SIG_IGN);
		MUST(tcsetpgrp(0, getpid()));
		struct sigaction action = {.sa_handler = handler};
		sigaction(SIGHUP, &action, NULL);
		sigaction(SIGCONT, &action, NULL);
		tell();
		wait_for(go);
		say("after the hang-up: SIGHUP %d SIGCONT %d\n", got[SIGHUP], got[SIGCONT]);
		MUST(write(go_background[1], "g", 1));
		wait_until_orphan(me);
		while (!got[SIGHUP] || !got[SIGCONT]) sleep_ms(1);
		wait_for(go);
		say("after the leader's end: SIGHUP %d SIGCONT %d\n", got[SIGHUP], got[SIGCONT]);
		MUST(write(results[1], "S", 1));
		_exit(0);
	}
	wait_for(go_background);
}

// A stopped job of a leader that ends gets SIGHUP and SIGCONT.
static void stopped_job(void) {
	pid_t me = getpid();
	pid_t pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		struct sigaction action = {.sa_handler = handler};
		sigaction(SIGHUP, &action, NULL);
		sigaction(SIGCONT, &action, NULL);
		raise(SIGSTOP);
		wait_until_orphan(me);
		while (!got[SIGHUP]) sleep_ms(1);
		wait_for(go);
		say("stopped job: SIGHUP %d SIGCONT %d\n", got[SIGHUP], got[SIGCONT]);
		MUST(write(results[1], "S", 1));
		_exit(0);
	}
	int status;
	waitpid(pid, &status, WUNTRACED);
	say("job %s\n", wname(status));
}

static void acquire(void) {
	// Opening gives a leader without a terminal one; O_NOCTTY does not.
	int a, b, slave_a, slave_b;
	char name_a[64], name_b[64];
	MUST(openpty(&a, &slave_a, name_a, NULL, NULL));
	MUST(openpty(&b, &slave_b, name_b, NULL, NULL));
	pid_t pid = fork();
	if (pid == 0) {
		SHOW(ioctl(slave_a, TIOCSCTTY, 0));  // not a leader
		setsid();
		SHOW(open("/dev/tty", O_RDWR));
		int fd = open(name_a, O_RDWR | O_NOCTTY);
		SHOW(open("/dev/tty", O_RDWR));
		SHOW(tcgetpgrp(fd));
		close(fd);
		fd = open(name_a, O_WRONLY);
		SHOW(tcgetpgrp(slave_a) == getpid());
		close(fd);
		fd = open(name_a, O_RDWR);
		YES("opening gave it", tcgetpgrp(fd) == getpid());
		SHOW(ioctl(fd, TIOCSCTTY, 0));        // again: nothing happens
		SHOW(ioctl(slave_b, TIOCSCTTY, 0));   // it has one already
		SHOW(open(name_b, O_RDWR) >= 0);
		SHOW(tcgetpgrp(slave_b));
		pid_t sid = 0;
		SHOW(ioctl(slave_b, TIOCGSID, &sid));
		SHOW(ioctl(a, TIOCGSID, &sid));
		YES("through the master", sid == getpid());
		int value = -1;
		SHOW(ioctl(b, TIOCGPGRP, &value));
		say("%d\n", value);
		SHOW(ioctl(b, TIOCGSID, &sid));
		SHOW(ioctl(a, TIOCSCTTY, 0));
		SHOW(ioctl(a, TIOCNOTTY, 0));
		// A child in the session may give it up for itself alone.
		pid_t inner = fork();
		if (inner == 0) {
			SHOW(ioctl(slave_b, TIOCNOTTY, 0));
			SHOW(ioctl(fd, TIOCNOTTY, 0));
			SHOW(open("/dev/tty", O_RDWR));
			SHOW(ioctl(fd, TIOCNOTTY, 0));
			_exit(0);
		}
		reap(inner);
		YES("the parent keeps it", open("/dev/tty", O_RDWR) >= 0);
		inner = fork();
		if (inner == 0) {
			setsid();
			SHOW(ioctl(fd, TIOCSCTTY, 0));  // another session's
			SHOW(open(name_a, O_RDWR) >= 0);
			SHOW(open("/dev/tty", O_RDWR));
			SHOW(ioctl(fd, TIOCSCTTY, 1));  // stolen
			YES("stolen", tcgetpgrp(fd) == getpid());
			SHOW(ioctl(fd, TIOCSTI, "i"));
			_exit(0);
		}
		signal(SIGHUP, SIG_IGN);
		say("thief %s\n", wname(reap(inner)));
		SHOW(open("/dev/tty", O_RDWR));
		_exit(0);
	}
	say("leader %s\n", wname(reap(pid)));
	close(a);
	close(b);
	close(slave_a);
	close(slave_b);
}

static void vhangup_call(void) {
	signal(SIGHUP, on_hup);
	signal(SIGCONT, handler);
	SHOW(vhangup());
	say("SIGHUP %d\n", got[SIGHUP]);
	char c;
	SHOW(read(0, &c, 1));
	SHOW(write(0, "x", 1));
	SHOW(open("/dev/tty", O_RDWR));
	int fd = open(slave_name, O_RDWR);
	YES("it can be opened again", fd >= 0);
	YES("and is the terminal again", tcgetpgrp(fd) == getpid());
	SHOW(write(fd, "alive", 5));
}

static void master_sees(void) {
	int slave, other;
	char buffer[16];
	MUST(openpty(&master, &slave, slave_name, NULL, NULL));
	struct pollfd p = {master, POLLIN | POLLOUT, 0};
	close(slave);
	SHOW(poll(&p, 1, 0));
	say("revents %x\n", p.revents);
	SHOW(read(master, buffer, sizeof buffer));
	SHOW(write(master, "typed ahead\n", 12));
	other = open(slave_name, O_RDWR | O_NOCTTY);
	p.events = POLLOUT;  // the echo comes some time
	SHOW(poll(&p, 1, 0));
	say("revents %x\n", p.revents);
	fcntl(other, F_SETFL, O_NONBLOCK);
	SHOW(read(other, buffer, sizeof buffer));
	close(other);
	fcntl(master, F_SETFL, O_NONBLOCK);
	close(master);
	// Before a slave was ever opened.
	int fd = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
	p.fd = fd;
	SHOW(poll(&p, 1, 0));
	say("revents %x\n", p.revents);
	SHOW(read(fd, buffer, sizeof buffer));
	SHOW(write(fd, "early\n", 6));
	close(fd);
}

int main(void) {
	MUST(pipe(ready));
	MUST(pipe(results));
	MUST(pipe(go));
	MUST(pipe(go_background));
	pid_t pid = in_session(orphaned);
	say("leader %s\n", wname(reap(pid)));
	close(master);
	pid = in_session(background_rules);
	say("leader %s\n", wname(reap(pid)));
	close(master);
	pid = in_session(after_hangup);
	told();
	close(master);
	say("leader %s\n", wname(reap(pid)));
	char c;
	pid = in_session(leader_exits);
	told();
	say("leader %s\n", wname(reap(pid)));
	MUST(write(go[1], "g", 1));
	MUST(read(results[0], &c, 1));
	MUST(write(go_background[1], "g", 1));
	MUST(read(results[0], &c, 1));
	close(master);
	pid = in_session(stopped_job);
	say("leader %s\n", wname(reap(pid)));
	MUST(write(go[1], "g", 1));
	MUST(read(results[0], &c, 1));
	close(master);
	pid = in_session(foreground_after_hangup);
	told();
	close(master);
	sleep_ms(20);
	MUST(write(go[1], "g", 1));
	say("leader %s\n", wname(reap(pid)));
	MUST(write(go[1], "g", 1));
	MUST(read(results[0], &c, 1));
	acquire();
	pid = in_session(vhangup_call);
	say("leader %s\n", wname(reap(pid)));
	close(master);
	master_sees();
	return 0;
}

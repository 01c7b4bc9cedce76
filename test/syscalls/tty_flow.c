// Flow control and packet mode of a pseudo terminal: Ctrl-S and Ctrl-Q, IXANY, tcflow, full buffers, TIOCPKT and its status bytes.
#include "check.h"
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>

static int master, slave;
static struct termios normal, t;

static void set(void) { MUST(tcsetattr(slave, TCSANOW, &t)); }

static int packet_mode;

// How many bytes each call of show() gets on Linux, in their order: it waits for that many, so that a slow machine changes
// nothing. CHECK_COUNTS=1 prints them.
static const int expected[] = {
	6, 0, 0, 1, 5, 5, 7, 2, 2, 3, 3, 7, 5, 2, 1, 2, 1, 6, 5, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 0, 18,
	1, 6, 4, 1, 0,
};
static size_t drains;

// Waits for something that happens some time.
#define UNTIL(condition) \
	do { \
		for (int until = 0; until < 5000 && !(condition); until++) sleep_ms(1); \
	} while (0)

// Everything that arrives; in packet mode each read by itself.
static void show(const char *label, int fd) {
	char buffer[512], text[2048];
	size_t at = 0, have = 0, wanted = drains < COUNT(expected) ? (size_t)expected[drains] : 0;
	drains++;
	text[0] = 0;
	struct pollfd p = {fd, POLLIN | POLLPRI, 0};
	while (at < 1000 && poll(&p, 1, have < wanted ? 5000 : getenv("CHECK_COUNTS") ? 100 : 3) > 0) {
		ssize_t n = read(fd, buffer, 100);
		if (n <= 0) {
			at += (size_t)sprintf(text + at, "<%s>", n == 0 ? "EOF" : ename(errno));
			break;
		}
		have += (size_t)n;
		if (packet_mode) at += (size_t)sprintf(text + at, "(");
		for (ssize_t i = 0; i < n; i++) {
			unsigned char c = (unsigned char)buffer[i];
			at += (size_t)sprintf(text + at, c < 32 || c > 126 ? "\\x%02x" : "%c", c);
		}
		if (packet_mode) at += (size_t)sprintf(text + at, ")");
	}
	say("%s: %s\n", label, text);
	if (getenv("CHECK_COUNTS")) dprintf(2, "%zu, ", have);
}

static void type(const char *text) { MUST(write(master, text, strlen(text))); }

static int writable(int fd) {
	struct pollfd p = {fd, POLLOUT, 0};
	return poll(&p, 1, 0) == 1;
}

static short ready(int fd) {
	struct pollfd p = {fd, POLLIN | POLLOUT | POLLPRI, 0};
	poll(&p, 1, 0);
	return p.revents;
}

static void stop_and_start(void) {
	fcntl(slave, F_SETFL, O_NONBLOCK);
	SHOW(write(slave, "before", 6));
	show("running", master);
	type("\x13");
	UNTIL(!writable(slave));
	SHOW(write(slave, "stopped", 7));
	say("slave %x\n", ready(slave));
	show("master while stopped", master);
	type("x");
	show("echo while stopped", master);
	type("\x11");
	show("after Ctrl-Q", master);
	SHOW(write(slave, "again", 5));
	show("running", master);
	tcflush(slave, TCIFLUSH);
	// What was written before the stop is still read.
	SHOW(write(slave, "early", 5));
	type("\x13");
	show("written before the stop", master);
	type("\x11");
	// Any character starts it with IXANY.
	t.c_iflag |= IXANY;
	set();
	type("\x13");
	UNTIL(!writable(slave));
	TRY(write(slave, "y", 1));
	type("a");
	UNTIL(writable(slave));
	SHOW(write(slave, "by any", 6));
	show("IXANY", master);
	type("\n");
	show("the line", slave);
	show("its echo", master);
	// An interrupt starts it too.
	t = normal;
	set();
	type("\x13");
	UNTIL(!writable(slave));
	TRY(write(slave, "y", 1));
	type("\x03");
	UNTIL(writable(slave));
	TRY(write(slave, "y", 1));
	show("after an interrupt", master);
	// Without IXON they are characters, and a stop ends with it.
	type("\x13");
	UNTIL(!writable(slave));
	TRY(write(slave, "z", 1));
	t.c_iflag &= ~(tcflag_t)IXON;
	set();
	TRY(write(slave, "z", 1));
	type("\x13\x11\n");
	show("without IXON, slave", slave);
	show("without IXON, echo", master);
	t = normal;
	// Other characters.
	t.c_cc[VSTOP] = 'S';
	t.c_cc[VSTART] = 'Q';
	set();
	type("S");
	UNTIL(!writable(slave));
	TRY(write(slave, "w", 1));
	type("\x11\x13Q");
	UNTIL(writable(slave));
	TRY(write(slave, "w", 1));
	show("other characters", master);
	tcflush(slave, TCIOFLUSH);
	t = normal;
	set();
	// The same character for both stops and starts in turn.
	t.c_cc[VSTOP] = t.c_cc[VSTART] = 'T';
	set();
	type("T");
	sleep_ms(10);
	TRY(write(slave, "v", 1));
	type("T");
	sleep_ms(10);
	TRY(write(slave, "v", 1));
	t = normal;
	set();
	type("\x11");
	sleep_ms(10);
	tcflush(slave, TCIOFLUSH);
	show("nothing left", master);
}

static void tcflow_calls(void) {
	SHOW(tcflow(slave, TCOOFF));
	TRY(write(slave, "u", 1));
	say("slave %x\n", ready(slave));
	SHOW(tcflow(slave, TCOOFF));
	// A start character does not undo it.
	type("\x11");
	sleep_ms(10);
	TRY(write(slave, "u", 1));
	SHOW(tcflow(slave, TCOON));
	TRY(write(slave, "u", 1));
	show("TCOON", master);
	SHOW(tcflow(slave, TCIOFF));
	SHOW(tcflow(slave, TCION));
	show("TCIOFF and TCION", master);
	SHOW(tcflow(slave, 4));
	SHOW(tcflow(slave, -1));
	SHOW(tcflush(slave, 3));
	SHOW(tcflush(slave, -1));
	SHOW(tcsendbreak(slave, 0));
	SHOW(tcdrain(slave));
	// Through the master.
	SHOW(tcflow(master, TCOOFF));
	TRY(write(slave, "m", 1));
	SHOW(tcflow(master, TCOON));
	show("master", master);
	SHOW(tcflush(master, TCIOFLUSH));
	SHOW(tcsendbreak(master, 0));
	SHOW(tcdrain(master));
	// A blocked writer goes on when it is started again.
	fcntl(slave, F_SETFL, 0);
	type("\x13");
	UNTIL(!writable(slave));
	pid_t pid = fork();
	if (pid == 0) _exit(write(slave, "waited", 6) == 6 ? 0 : 1);
	sleep_ms(30);
	YES("writer waits", waitpid(pid, NULL, WNOHANG) == 0);
	type("\x11");
	say("writer %s\n", wname(reap(pid)));
	show("its output", master);
}

static void full(void) {
	char big[4096];
	memset(big, 'o', sizeof big);
	fcntl(slave, F_SETFL, O_NONBLOCK);
	long total = 0, before;
	ssize_t n;
	// Linux moves what was written on a little later, which makes room once more.
	do {
		before = total;
		while (total < 10 * 1024 * 1024 && (n = write(slave, big, sizeof big)) > 0) total += n;
		sleep_ms(10);
	} while (total != before);
	YES("output ends somewhere", n == -1 && errno == EAGAIN && total >= 1024);
	say("slave writable %d\n", (ready(slave) & POLLOUT) != 0);
	long got = 0;
	struct pollfd p = {master, POLLIN, 0};
	while (poll(&p, 1, got < total ? 5000 : 3) > 0 && (n = read(master, big, sizeof big)) > 0) got += n;
	YES("all of it arrives", got == total);
	say("slave writable %d\n", (ready(slave) & POLLOUT) != 0);
	// Raw input that nobody reads.
	t = normal;
	cfmakeraw(&t);
	set();
	fcntl(master, F_SETFL, O_NONBLOCK);
	memset(big, 'i', sizeof big);
	total = 0;
	while (total < 10 * 1024 * 1024 && (n = write(master, big, sizeof big)) > 0) total += n;
	YES("input ends somewhere", n == -1 && errno == EAGAIN && total >= 4095);
	got = 0;
	p.fd = slave;
	while (poll(&p, 1, got < total ? 5000 : 3) > 0 && (n = read(slave, big, sizeof big)) > 0) got += n;
	YES("all of it arrives", got == total);
	fcntl(master, F_SETFL, 0);
	fcntl(slave, F_SETFL, 0);
	t = normal;
	set();
}

static void packets(void) {
	int on = 1, off = 0, mode = -1;
	packet_mode = 1;
	SHOW(ioctl(master, TIOCGPKT, &mode));
	say("mode %d\n", mode);
	SHOW(ioctl(master, TIOCPKT, &on));
	SHOW(ioctl(master, TIOCGPKT, &mode));
	say("mode %d\n", mode);
	SHOW(ioctl(slave, TIOCPKT, &on));
	SHOW(ioctl(slave, TIOCGPKT, &mode));
	MUST(write(slave, "data", 4));
	show("data", master);
	MUST(write(slave, "more", 4));
	char buffer[3] = "";
	UNTIL(ready(master) & POLLIN);
	SHOW(read(master, buffer, 3));
	say("%d %c%c\n", buffer[0], buffer[1], buffer[2]);
	show("rest", master);
	SHOW(tcflush(slave, TCIFLUSH));
	say("master %x\n", ready(master));
	show("input flushed", master);
	say("master %x\n", ready(master));
	SHOW(tcflush(slave, TCOFLUSH));
	show("output flushed", master);
	SHOW(tcflush(slave, TCIOFLUSH));
	show("both flushed", master);
	type("\x13");
	show("stopped", master);
	type("\x11");
	show("started", master);
	SHOW(tcflow(slave, TCOOFF));
	show("TCOOFF", master);
	SHOW(tcflow(slave, TCOON));
	show("TCOON", master);
	t = normal;
	t.c_iflag &= ~(tcflag_t)IXON;
	set();
	show("IXON off", master);
	t = normal;
	set();
	show("IXON on", master);
	t.c_cc[VSTOP] = 'S';
	set();
	show("another stop character", master);
	t = normal;
	set();
	show("the usual one", master);
	t.c_lflag ^= ECHO;
	set();
	show("ECHO off", master);
	t = normal;
	set();
	t.c_lflag |= EXTPROC;
	set();
	show("EXTPROC on", master);
	t.c_lflag ^= ECHO;
	set();
	show("EXTPROC, ECHO off", master);
	type("not edited\x7f\x15 here\n");
	show("EXTPROC, echo", master);
	show("EXTPROC, slave", slave);
	t = normal;
	set();
	show("EXTPROC off", master);
	// Status comes before data.
	MUST(write(slave, "text", 4));
	UNTIL(ready(master) & POLLIN);
	tcflush(slave, TCIFLUSH);
	show("status first", master);
	type("lost\x03");
	show("interrupt", master);
	tcflush(slave, TCIFLUSH);
	// What is not read is forgotten when the mode is switched on again.
	SHOW(ioctl(master, TIOCPKT, &on));
	show("again", master);
	SHOW(ioctl(master, TIOCPKT, &off));
	show("off", master);
	SHOW(ioctl(master, TIOCPKT, WILD));
	SHOW(read(master, buffer, 0));
}

int main(void) {
	MUST(openpty(&master, &slave, NULL, NULL, NULL));
	MUST(tcgetattr(slave, &normal));
	t = normal;
	stop_and_start();
	tcflow_calls();
	full();
	packets();
	return 0;
}

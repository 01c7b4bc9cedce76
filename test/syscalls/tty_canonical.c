// A pseudo terminal's line discipline: echo, line editing, EOF, kill, CR and NL mapping, line limits, raw mode, VMIN and VTIME.
#include "check.h"
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>

static int master, slave;

// Reads until there are `expected` bytes, and a little longer to see whether there are more; control characters are made visible.
static void drain(const char *label, int fd, size_t expected) {
	char buffer[4096];
	const char *ending = "";
	size_t have = 0;
	struct pollfd p = {fd, POLLIN, 0};
	while (poll(&p, 1, have < expected ? 5000 : 8) > 0) {
		ssize_t n = read(fd, buffer + have, sizeof buffer - have);
		if (n <= 0) {
			ending = n == 0 ? " EOF" : " error";
			break;
		}
		have += (size_t)n;
	}
	say("%s: [", label);
	for (size_t i = 0; i < have; i++) {
		unsigned char c = (unsigned char)buffer[i];
		if (c == '\n') say("\\n");
		else if (c == '\r') say("\\r");
		else if (c < 32 || c > 126) say("\\x%02x", c);
		else say("%c", c);
	}
	say("]%s\n", ending);
}

static void type(const char *text) {
	if (write(master, text, strlen(text)) != (ssize_t)strlen(text)) die("type");
}

int main(void) {
	struct termios t;
	struct winsize size = {24, 80, 0, 0};
	MUST(openpty(&master, &slave, NULL, NULL, &size));
	MUST(tcgetattr(slave, &t));
	say("defaults: iflag %o oflag %o cflag %o lflag %o\n", t.c_iflag, t.c_oflag, t.c_cflag & ~(unsigned)CBAUD, t.c_lflag);
	say("cc: intr %d quit %d erase %d kill %d eof %d start %d stop %d susp %d werase %d lnext %d min %d time %d\n", t.c_cc[VINTR], t.c_cc[VQUIT], t.c_cc[VERASE], t.c_cc[VKILL], t.c_cc[VEOF], t.c_cc[VSTART], t.c_cc[VSTOP], t.c_cc[VSUSP], t.c_cc[VWERASE], t.c_cc[VLNEXT], t.c_cc[VMIN], t.c_cc[VTIME]);
	SHOW(isatty(slave));
	SHOW(isatty(master));
	// Output processing.
	MUST(write(slave, "one\ntwo\r\n", 9));
	drain("output", master, 11);
	// A line only when it is complete; echoed at once.
	type("abc");
	drain("echo", master, 3);
	drain("slave before the newline", slave, 0);
	type("\r");
	drain("echo of return", master, 2);
	drain("slave", slave, 4);
	type("two\nlines\n");
	drain("echo", master, 12);
	char buffer[100];
	ssize_t n = read(slave, buffer, sizeof buffer);
	say("one line a read: %.*s", (int)n, buffer);
	n = read(slave, buffer, 3);
	say("part of a line: %.*s\n", (int)n, buffer);
	n = read(slave, buffer, sizeof buffer);
	say("the rest: %.*s", (int)n, buffer);
	// Editing.
	type("abx\x7f"
	     "c\n");
	drain("erase", master, 9);
	drain("slave", slave, 4);
	type("garbage\x15"
	     "good\n");
	drain("kill", master, 34);
	drain("slave", slave, 5);
	type("one two three\x17"
	     "3\n");
	drain("word erase", master, 31);
	drain("slave", slave, 10);
	type("\x7f\x7f"
	     "x\n");
	drain("erase at the start", master, 3);
	drain("slave", slave, 2);
	type("\x16\x7f\n");
	drain("literal next", master, 6);
	drain("slave", slave, 2);
	type("\x01\x1b\n");
	drain("control characters", master, 6);
	drain("slave", slave, 3);
	// EOF: gives what is there, or end of file for one read.
	type("part\x04");
	drain("echo", master, 4);
	n = read(slave, buffer, sizeof buffer);
	say("EOF in a line: %.*s\n", (int)n, buffer);
	type("\x04");
	SHOW(read(slave, buffer, sizeof buffer));
	type("after\n");
	n = read(slave, buffer, sizeof buffer);
	say("then: %.*s", (int)n, buffer);
	drain("echo", master, 7);
	// No echo.
	t.c_lflag &= ~(unsigned)ECHO;
	MUST(tcsetattr(slave, TCSANOW, &t));
	type("secret\n");
	drain("without ECHO", master, 0);
	drain("slave", slave, 7);
	// CR and NL mapping.
	t.c_lflag |= ECHO;
	t.c_iflag &= ~(unsigned)ICRNL;
	t.c_iflag |= INLCR;
	MUST(tcsetattr(slave, TCSANOW, &t));
	type("a\rb\n\x04");
	drain("INLCR", master, 6);
	drain("slave", slave, 4);
	t.c_iflag = (t.c_iflag & ~(unsigned)INLCR) | ICRNL | IGNCR;
	MUST(tcsetattr(slave, TCSANOW, &t));
	type("a\rb\n");
	drain("IGNCR", master, 4);
	drain("slave", slave, 3);
	t.c_iflag &= ~(unsigned)IGNCR;
	t.c_oflag &= ~(unsigned)ONLCR;
	MUST(tcsetattr(slave, TCSANOW, &t));
	MUST(write(slave, "a\nb", 3));
	drain("without ONLCR", master, 3);
	t.c_oflag |= ONLCR;
	// Raw.
	struct termios raw = t;
	cfmakeraw(&raw);
	MUST(tcsetattr(slave, TCSANOW, &raw));
	type("r\x03\x7f\r");
	drain("raw echo", master, 0);
	drain("raw slave", slave, 4);
	MUST(write(slave, "x\ny", 3));
	drain("raw output", master, 3);
	// VMIN and VTIME.
	raw.c_cc[VMIN] = 3;
	raw.c_cc[VTIME] = 0;
	MUST(tcsetattr(slave, TCSANOW, &raw));
	pid_t pid = fork();
	if (pid == 0) {
		type("1");
		sleep_ms(20);
		type("2");
		sleep_ms(20);
		type("3");
		_exit(0);
	}
	n = read(slave, buffer, 100);
	say("VMIN 3: at least three %s\n", yes(n >= 3));
	reap(pid);
	drain("rest", slave, 0);
	raw.c_cc[VMIN] = 0;
	MUST(tcsetattr(slave, TCSANOW, &raw));
	SHOW(read(slave, buffer, 100));
	raw.c_cc[VTIME] = 1;
	MUST(tcsetattr(slave, TCSANOW, &raw));
	long before = now_ms();
	SHOW(read(slave, buffer, 100));
	YES("VTIME waited a tenth", now_ms() - before >= 90);
	MUST(tcsetattr(slave, TCSANOW, &t));
	// FIONREAD, flushing, TCSAFLUSH.
	type("flushed\n");
	int available = 0;
	for (int i = 0; i < 5000 && available != 8; i++) {
		sleep_ms(1);
		MUST(ioctl(slave, FIONREAD, &available));
	}
	SHOW(ioctl(slave, FIONREAD, &available));
	say("available %d\n", available);
	MUST(tcflush(slave, TCIFLUSH));
	SHOW(ioctl(slave, FIONREAD, &available));
	say("available %d\n", available);
	drain("echo", master, 9);
	MUST(fcntl(slave, F_SETFL, O_NONBLOCK));
	SHOW(read(slave, buffer, 10));
	// Hang-up.
	close(master);
	MUST(fcntl(slave, F_SETFL, 0));
	SHOW(read(slave, buffer, 10));
	SHOW(write(slave, "x", 1));
	struct pollfd p = {slave, POLLIN | POLLOUT, 0};
	SHOW(poll(&p, 1, 0));
	say("revents %x\n", p.revents);
	MUST(openpty(&master, &slave, NULL, NULL, NULL));
	MUST(write(slave, "last words", 10));
	close(slave);
	drain("master after the slave's end", master, 10);
	return 0;
}

// Line editing in detail: echo variants, tabs, UTF-8, delimiters, marks and stripping of input, output mappings, long lines, changes of mode.
#include "check.h"
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>

static int master, slave;
static struct termios normal, t;

// How many bytes each call of drain() gets on Linux, in their order: it waits for that many, so that a slow machine changes
// nothing. CHECK_COUNTS=1 prints them.
static const int expected[] = {
	7, 3, 11, 3, 9, 3, 11, 3, 5, 3, 13, 4, 22, 1, 2, 6, 15, 11, 15, 5, 27, 6, 27, 2, 31, 2, 16, 4, 20, 10, 12, 3,
	7, 6, 5, 4, 3, 2, 5, 3, 9, 5, 6, 4, 13, 4, 3, 5, 4, 4, 4, 6, 1, 4, 3, 6, 4, 18, 2, 9, 4, 15, 4, 13, 4, 6, 5,
	5, 9, 5, 38, 12, 12, 5, 11, 4, 22, 3, 10, 10, 3, 6, 5, 5, 0, 15, 13, 7, 12, 6,
};
static size_t drains;

// Waits for something that happens some time.
#define UNTIL(condition) \
	do { \
		for (int until = 0; until < 5000 && !(condition); until++) sleep_ms(1); \
	} while (0)

static int available(int fd) {
	int n = -1;
	MUST(ioctl(fd, FIONREAD, &n));
	return n;
}

static void print_bytes(const char *label, const char *bytes, size_t n, const char *ending) {
	char text[4096];
	size_t at = 0;
	for (size_t i = 0; i < n && at < sizeof text - 8; i++) {
		unsigned char c = (unsigned char)bytes[i];
		if (c == '\n') at += (size_t)sprintf(text + at, "\\n");
		else if (c == '\r') at += (size_t)sprintf(text + at, "\\r");
		else if (c == '\t') at += (size_t)sprintf(text + at, "\\t");
		else if (c == '\b') at += (size_t)sprintf(text + at, "\\b");
		else if (c < 32 || c > 126) at += (size_t)sprintf(text + at, "\\x%02x", c);
		else text[at++] = (char)c;
	}
	text[at] = 0;
	say("%s: [%s]%s\n", label, text, ending);
}

// Everything that arrives.
static void drain(const char *label, int fd) {
	char buffer[8192];
	size_t have = 0, wanted = drains < COUNT(expected) ? (size_t)expected[drains] : 0;
	drains++;
	const char *ending = "";
	struct pollfd p = {fd, POLLIN, 0};
	while (have < sizeof buffer && poll(&p, 1, have < wanted ? 5000 : getenv("CHECK_COUNTS") ? 100 : 3) > 0) {
		ssize_t n = read(fd, buffer + have, sizeof buffer - have);
		if (n <= 0) {
			ending = n == 0 ? " EOF" : " error";
			break;
		}
		have += (size_t)n;
	}
	print_bytes(label, buffer, have, ending);
	if (getenv("CHECK_COUNTS")) dprintf(2, "%zu, ", have);
}

static void type_bytes(const char *text, size_t n) {
	if (write(master, text, n) != (ssize_t)n) die("type");
}

#define TYPE(text) type_bytes(text, sizeof(text) - 1)

static void set(void) { MUST(tcsetattr(slave, TCSANOW, &t)); }

// Types with the present settings, shows the echo and what a reader gets, and goes back to the normal settings.
#define CASE(label, text) \
	do { \
		set(); \
		TYPE(text); \
		drain(label ", echo", master); \
		drain(label ", slave", slave); \
		tcflush(slave, TCIOFLUSH); \
		t = normal; \
		set(); \
	} while (0)

static void echo_variants(void) {
	t.c_lflag &= ~(tcflag_t)ECHOE;
	CASE("without ECHOE", "abc\x7f\n");
	t.c_lflag &= ~(tcflag_t)ECHOKE;
	CASE("without ECHOKE", "abc\x15xy\n");
	t.c_lflag &= ~(tcflag_t)(ECHOKE | ECHOK);
	CASE("without ECHOKE and ECHOK", "abc\x15xy\n");
	t.c_lflag &= ~(tcflag_t)(ECHOKE | ECHOE);
	CASE("without ECHOKE and ECHOE", "abc\x15xy\n");
	t.c_lflag &= ~(tcflag_t)ECHOCTL;
	CASE("without ECHOCTL", "a\x01\x1b\x7f\n");
	t.c_lflag |= ECHOPRT;
	CASE("ECHOPRT", "abcd\x7f\x7f\x7fxy\n");
	CASE("control characters erased", "a\x01\x02\x7f\x7f\x7f\n");
	t.c_lflag &= ~(tcflag_t)ECHO;
	t.c_lflag |= ECHONL;
	CASE("ECHONL", "quiet\n");
	t.c_lflag &= ~(tcflag_t)IEXTEN;
	CASE("without IEXTEN", "one two\x17\x16\x12\n");
	CASE("reprint", "ab\x01\x12z\n");
	CASE("word erase", "one,two  \x17x\n");
	CASE("word erase of everything", "  word\x17\x17\x17y\n");
	CASE("kill with tabs", "a\tb\tc\x15z\n");
	CASE("tab erased", "ab\tc\x7f\x7fz\n");
	CASE("tab at a stop erased", "abcdefgh\t\x7fz\n");
	CASE("tab after control characters erased", "\x01\t\x7fz\n");
}

static void delimiters(void) {
	t.c_cc[VEOL] = ';';
	t.c_cc[VEOL2] = '!';
	CASE("VEOL and VEOL2", "a;b!c\n");
	t.c_cc[VEOL] = ';';
	t.c_cc[VEOL2] = '!';
	t.c_lflag &= ~(tcflag_t)IEXTEN;
	CASE("VEOL2 without IEXTEN", "b!c\n");
	t.c_cc[VEOF] = 'q';
	CASE("another VEOF", "a\x04q");
	t.c_cc[VINTR] = _POSIX_VDISABLE;
	CASE("no VINTR", "a\x03\n");
	t.c_lflag &= ~(tcflag_t)ISIG;
	CASE("without ISIG", "a\x03\x1c\x1a\n");
	CASE("NUL", "a\0b\n");
	// Several ends of file.
	TYPE("\x04\x04x\x04\x04");
	char buffer[16];
	for (int i = 0; i < 4; i++) {
		ssize_t n = read(slave, buffer, sizeof buffer);
		say("read %zd\n", n);
	}
	// A line read in pieces up to its very end of file.
	TYPE("ab\x04");
	SHOW(read(slave, buffer, 2));
	TYPE("next\n");
	ssize_t n = read(slave, buffer, sizeof buffer);
	print_bytes("then", buffer, n < 0 ? 0 : (size_t)n, "");
	TYPE("ab\n");
	SHOW(read(slave, buffer, 0));
	SHOW(read(slave, buffer, 2));
	n = read(slave, buffer, sizeof buffer);
	print_bytes("the newline alone", buffer, n < 0 ? 0 : (size_t)n, "");
	drain("echo", master);
}

static void input_mapping(void) {
	t.c_iflag |= ISTRIP;
	CASE("ISTRIP", "\xe1\xc1\n");
	t.c_iflag |= IUCLC;
	CASE("IUCLC", "AbC\n");
	t.c_iflag |= PARMRK;
	CASE("PARMRK", "a\xff\n");
	t.c_iflag |= PARMRK | ISTRIP;
	CASE("PARMRK and ISTRIP", "a\xff\n");
	t.c_iflag |= IGNCR | INLCR;
	CASE("IGNCR and INLCR", "a\rb\n\x04");
	t.c_iflag &= ~(tcflag_t)ICRNL;
	CASE("without ICRNL", "a\rb\n");
	t.c_iflag |= IUTF8;
	CASE("IUTF8", "a\xc3\xa4\xe2\x82\xac\x7f\x7f\x7f"
	              "b\n");
	CASE("without IUTF8", "a\xc3\xa4\x7fz\n");
	t.c_iflag |= IUTF8;
	CASE("IUTF8 word erase", "x \xc3\xa4\xc3\xb6\x17y\n");
	t.c_iflag |= IUTF8;
	CASE("IUTF8 tab", "\xc3\xa4\t\x7fz\n");
}

static void out(const char *label, const char *text) {
	set();
	MUST(write(slave, text, strlen(text)));
	drain(label, master);
	t = normal;
	set();
	// The column starts anew.
	MUST(write(slave, "\r\n", 2));
	char buffer[8];
	MUST(read(master, buffer, sizeof buffer));
}

static void output_mapping(void) {
	t.c_oflag |= OLCUC;
	out("OLCUC", "aBc\xe4\n");
	t.c_oflag |= OCRNL;
	out("OCRNL", "a\rb\n");
	t.c_oflag |= ONOCR;
	out("ONOCR", "\ra\r\rb\n\r");
	t.c_oflag |= ONLRET;
	out("ONLRET", "abc\n\td\n");
	t.c_oflag &= ~(tcflag_t)ONLCR;
	out("without ONLCR", "abc\nd");
	t.c_oflag |= XTABS;
	out("XTABS", "a\tb\t\bc\td\n\te");
	t.c_oflag |= XTABS;
	t.c_iflag |= IUTF8;
	out("XTABS and IUTF8", "\xc3\xa4\tb\n");
	t.c_oflag |= XTABS;
	out("XTABS and other bytes", "\xc3\xa4\x01\tb\n");
	t.c_oflag &= ~(tcflag_t)OPOST;
	out("without OPOST", "a\nb\tc");
	t.c_oflag |= XTABS;
	CASE("echo of a tab with XTABS", "a\tb\n");
	t.c_oflag |= XTABS;
	CASE("erasing it", "a\tb\x7f\x7fz\n");
}

static void modes(void) {
	char buffer[5000];
	// An unfinished line becomes readable when the line mode ends.
	TYPE("unfinished");
	drain("echo", master);
	t.c_lflag &= ~(tcflag_t)ICANON;
	set();
	drain("unfinished line in raw mode", slave);
	// Raw bytes that nobody took are a line afterwards.
	TYPE("raw");
	drain("echo", master);
	t = normal;
	set();
	TYPE("more\n");
	drain("echo", master);
	ssize_t n = read(slave, buffer, sizeof buffer);
	print_bytes("first read", buffer, n < 0 ? 0 : (size_t)n, "");
	drain("next", slave);
	// TCSAFLUSH drops input, TCSADRAIN and TCSANOW do not.
	TYPE("kept\n");
	UNTIL(available(slave) == 5);
	MUST(tcsetattr(slave, TCSADRAIN, &t));
	drain("TCSADRAIN", slave);
	TYPE("dropped\n");
	UNTIL(available(slave) == 8);
	MUST(tcsetattr(slave, TCSAFLUSH, &t));
	drain("TCSAFLUSH", slave);
	drain("echo", master);
	// Echo without line mode.
	t.c_lflag &= ~(tcflag_t)ICANON;
	CASE("no ICANON", "a\x7f\x15\x04\x01\n\r");
	t.c_lflag &= ~(tcflag_t)ICANON;
	t.c_cc[VMIN] = 5;
	set();
	TYPE("abc");
	struct pollfd p = {slave, POLLIN, 0};
	UNTIL(available(slave) == 3);
	say("FIONREAD %d\n", available(slave));
	SHOW(poll(&p, 1, 0));
	SHOW(read(slave, buffer, 3));
	TYPE("defgh");
	UNTIL(available(slave) == 5);
	SHOW(read(slave, buffer, 100));
	t.c_cc[VMIN] = 0;
	set();
	SHOW(poll(&p, 1, 0));
	SHOW(fcntl(slave, F_SETFL, O_NONBLOCK));
	SHOW(read(slave, buffer, 100));
	t.c_cc[VTIME] = 1;
	set();
	SHOW(read(slave, buffer, 100));
	t.c_cc[VMIN] = 1;
	set();
	SHOW(read(slave, buffer, 100));
	SHOW(fcntl(slave, F_SETFL, 0));
	// With both, the time runs from the first byte on.
	t.c_cc[VMIN] = 10;
	t.c_cc[VTIME] = 1;
	set();
	TYPE("part");
	long before = now_ms();
	n = read(slave, buffer, 100);
	print_bytes("VMIN and VTIME", buffer, n < 0 ? 0 : (size_t)n, "");
	YES("it waited", now_ms() - before >= 50);
	t = normal;
	set();
	drain("echo", master);
}

static void long_lines(void) {
	char big[6000], buffer[6000];
	t.c_lflag &= ~(tcflag_t)ECHO;
	set();
	memset(big, 'x', sizeof big);
	SHOW(fcntl(master, F_SETFL, O_NONBLOCK));
	size_t sent = 0;
	for (int i = 0; i < 5000 && sent < sizeof big; i++) {
		ssize_t n = write(master, big + sent, sizeof big - sent);
		if (n > 0) sent += (size_t)n;
		else sleep_ms(1);
	}
	YES("a line longer than the buffer is taken", sent == sizeof big);
	sleep_ms(20);
	say("FIONREAD of an unfinished line %d\n", available(slave));
	TYPE("\n");
	struct pollfd p = {slave, POLLIN, 0};
	SHOW(poll(&p, 1, 5000));
	ssize_t n = read(slave, buffer, sizeof buffer);
	say("read %zd, last %d\n", n, n > 0 ? buffer[n - 1] : -1);
	TYPE("after\n");
	drain("after", slave);
	SHOW(fcntl(master, F_SETFL, 0));
	t = normal;
	set();
}

int main(void) {
	MUST(openpty(&master, &slave, NULL, NULL, NULL));
	MUST(tcgetattr(slave, &normal));
	t = normal;
	echo_variants();
	delimiters();
	input_mapping();
	output_mapping();
	modes();
	long_lines();
	return 0;
}

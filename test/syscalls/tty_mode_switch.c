// Input that waits while a terminal goes from editing lines to raw and back: unfinished lines, ends of file.
#include "check.h"
#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>

static int master, slave;

static void type(const char *text) {
	int waiting = -1, before = -2;
	if (write(master, text, strlen(text)) != (ssize_t)strlen(text)) die("type");
	// Until all of it has arrived.
	while (waiting != before) {
		sleep_ms(10);
		before = waiting;
		ioctl(slave, FIONREAD, &waiting);
	}
}

static void edit_lines(int on) {
	struct termios t;
	tcgetattr(slave, &t);
	t.c_lflag = on ? t.c_lflag | ICANON : t.c_lflag & ~(tcflag_t)ICANON;
	t.c_cc[on ? VEOF : VMIN] = on ? 4 : 1;
	if (!on) t.c_cc[VTIME] = 0;
	tcsetattr(slave, TCSANOW, &t);
}

static void take(const char *label, int times) {
	for (; times > 0; times--) {
		char bytes[64];
		int waiting = -1;
		ioctl(slave, FIONREAD, &waiting);
		ssize_t n = read(slave, bytes, sizeof bytes);
		say("%s: %d waiting, %s", label, waiting, n < 0 ? "none" : "read");
		for (ssize_t i = 0; i < n; i++) say(" %02x", bytes[i]);
		say("\n");
	}
}

int main(void) {
	static const char *const typed[] = {"\004", "ab\004", "ab\004cd", "ab\ncd\004", "\004\004x", "ab", "ab\ncd"};
	struct termios t;
	if (openpty(&master, &slave, NULL, NULL, NULL) != 0) die("openpty");
	fcntl(slave, F_SETFL, O_NONBLOCK);
	tcgetattr(slave, &t);
	t.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(slave, TCSANOW, &t);
	for (size_t i = 0; i < sizeof typed / sizeof typed[0]; i++) {
		say("-- %zu\n", i);
		edit_lines(1);
		type(typed[i]);
		edit_lines(0);
		take("raw", 2);
		type(typed[i]);
		edit_lines(1);
		take("edited again", 2);
		tcflush(slave, TCIFLUSH);
		type(typed[i]);
		edit_lines(0);
		edit_lines(1);
		take("there and back", 3);
		tcflush(slave, TCIFLUSH);
		type(typed[i]);
		edit_lines(0);
		type("yz");
		edit_lines(1);
		type("\n");
		take("mixed", 4);
		tcflush(slave, TCIFLUSH);
	}
	return 0;
}

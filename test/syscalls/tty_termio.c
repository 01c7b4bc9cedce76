// Terminal settings in the older struct termio, and settings that are locked.
#include "check.h"
#include <asm/termbits.h>
#include <sys/ioctl.h>

// As <asm/termios.h> has it, which other headers forbid.
struct old_termio {
	unsigned short iflag, oflag, cflag, lflag;
	unsigned char line, cc[8];
};

static void tell(const char *what, int fd) {
	struct old_termio t;
	memset(&t, 0x55, sizeof t);
	int r = ioctl(fd, TCGETA, &t);
	say("%s: %d %o %o %o %o %d [", what, r, t.iflag, t.oflag, t.cflag, t.lflag, t.line);
	for (int i = 0; i < 8; i++) say(" %d", t.cc[i]);
	say(" ]\n");
}

int main(void) {
	int master = open("/dev/ptmx", O_RDWR | O_NOCTTY), unlock = 0, number = -1;
	MUST(ioctl(master, TIOCSPTLCK, &unlock));
	MUST(ioctl(master, TIOCGPTN, &number));
	char name[40];
	snprintf(name, sizeof name, "/dev/pts/%d", number);
	int slave = open(name, O_RDWR | O_NOCTTY);
	tell("at first", slave);
	struct old_termio t;
	MUST(ioctl(slave, TCGETA, &t));
	t.lflag &= (unsigned short)~(ECHO | ICANON);
	t.cc[0] = 7;
	SHOW(ioctl(slave, TCSETA, &t));
	tell("changed", slave);
	t.iflag ^= ICRNL;
	SHOW(ioctl(slave, TCSETAW, &t));
	t.oflag ^= ONLCR;
	SHOW(ioctl(slave, TCSETAF, &t));
	tell("through the master", master);
	SHOW(ioctl(slave, TCSETA, WILD));
	SHOW(ioctl(slave, TCGETA, WILD));
	struct termios whole, locked;
	MUST(ioctl(slave, TCGETS, &whole));
	say("whole: %o %o %o %o %d %d\n", whole.c_iflag, whole.c_oflag, whole.c_cflag, whole.c_lflag, whole.c_cc[0], whole.c_cc[10]);
	memset(&locked, 1, sizeof locked);
	SHOW(ioctl(slave, TIOCGLCKTRMIOS, &locked));
	YES("nothing is locked", locked.c_lflag == 0 && locked.c_cc[0] == 0);
	locked.c_lflag = ECHO;
	locked.c_cc[0] = 1;
	SHOW(ioctl(slave, TIOCSLCKTRMIOS, &locked));
	whole.c_lflag ^= ECHO | ICANON;
	whole.c_cc[0] = 9;
	whole.c_cc[1] = 10;
	SHOW(ioctl(slave, TCSETS, &whole));
	tell("locked", slave);
	if (fork() == 0) {
		MUST(setuid(1000));
		SHOW(ioctl(slave, TIOCSLCKTRMIOS, &locked));
		SHOW(ioctl(slave, TIOCGLCKTRMIOS, &locked));
		return 0;
	}
	MUST(wait(NULL));
	return 0;
}

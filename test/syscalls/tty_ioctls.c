// Terminal requests other than settings and job control: exclusive use, locks, the peer, old structs, lines that a pty has not, bad arguments.
#include "check.h"
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <termios.h>

// As the kernel has them; libc's termios is another struct.
struct old_termio {
	unsigned short iflag, oflag, cflag, lflag;
	unsigned char line, cc[8];
};
struct kernel_termios2 {
	unsigned iflag, oflag, cflag, lflag;
	unsigned char line, cc[19];
	unsigned ispeed, ospeed;
};
#define TCGETS2_ 0x802c542a
#define TCSETS2_ 0x402c542b
#define BOTHER_ 010000

static int master, slave;

static void locks(void) {
	int fd = open("/dev/ptmx", O_RDWR | O_NOCTTY);
	int n = -1, lock = -1;
	MUST(fd);
	SHOW(ioctl(fd, TIOCGPTLCK, &lock));
	say("locked %d\n", lock);
	char name[64];
	MUST(ioctl(fd, TIOCGPTN, &n));
	snprintf(name, sizeof name, "/dev/pts/%d", n);
	SHOW(open(name, O_RDWR | O_NOCTTY));
	SHOW(ioctl(fd, TIOCGPTPEER, O_RDWR | O_NOCTTY) >= 0);
	int zero = 0, one = 1;
	SHOW(ioctl(fd, TIOCSPTLCK, &zero));
	SHOW(ioctl(fd, TIOCGPTLCK, &lock));
	say("locked %d\n", lock);
	int peer = ioctl(fd, TIOCGPTPEER, O_RDWR | O_NOCTTY);
	YES("peer", peer >= 0);
	struct stat a, b;
	fstat(peer, &a);
	stat(name, &b);
	YES("same device", a.st_rdev == b.st_rdev && a.st_ino == b.st_ino);
	YES("its name", ttyname(peer) != NULL && strcmp(ttyname(peer), name) == 0);
	YES("UNIX98", major(b.st_rdev) == 136);
	SHOW(write(peer, "x", 1));
	SHOW(fcntl(peer, F_GETFL) & (O_ACCMODE | O_NOCTTY));
	SHOW(close(peer));
	peer = ioctl(fd, TIOCGPTPEER, O_RDONLY | O_NOCTTY | O_CLOEXEC);
	SHOW(fcntl(peer, F_GETFD));
	SHOW(write(peer, "x", 1));
	close(peer);
	SHOW(ioctl(fd, TIOCSPTLCK, &one));
	SHOW(open(name, O_RDWR | O_NOCTTY));
	SHOW(ioctl(fd, TIOCSPTLCK, WILD));
	SHOW(ioctl(fd, TIOCGPTLCK, WILD));
	SHOW(ioctl(fd, TIOCGPTN, WILD));
	close(fd);
	SHOW(open(name, O_RDWR | O_NOCTTY));
	SHOW(access(name, F_OK));
	fd = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY);
	if (fd >= 0) close(fd);
	SHOW(open("/dev/pts/99999", O_RDWR | O_NOCTTY));
	SHOW(open("/dev/pts/00", O_RDWR | O_NOCTTY));
}

static void try_open(const char *name) {
	int fd = open(name, O_RDWR | O_NOCTTY);
	say("open: %s\n", fd < 0 ? ename(errno) : "ok");
	if (fd >= 0) close(fd);
}

static void exclusive(void) {
	char name[64];
	MUST(ttyname_r(slave, name, sizeof name) == 0 ? 0 : -1);
	int on = -1;
	SHOW(ioctl(slave, TIOCGEXCL, &on));
	say("exclusive %d\n", on);
	SHOW(ioctl(slave, TIOCEXCL));
	SHOW(ioctl(slave, TIOCGEXCL, &on));
	say("exclusive %d\n", on);
	try_open(name);  // root may
	pid_t pid = fork();
	if (pid == 0) {
		// An ordinary user may not, even if the mode would let him.
		MUST(chmod(name, 0666));
		MUST(setuid(65534));
		try_open(name);
		_exit(0);
	}
	reap(pid);
	SHOW(ioctl(slave, TIOCNXCL));
	SHOW(ioctl(slave, TIOCGEXCL, &on));
	say("exclusive %d\n", on);
	pid = fork();
	if (pid == 0) {
		MUST(setuid(65534));
		try_open(name);
		_exit(0);
	}
	reap(pid);
}

static void settings(void) {
	struct old_termio old;
	SHOW(ioctl(slave, TCGETA, &old));
	say("termio: %o %o %o %o line %d\n", old.iflag, old.oflag, old.cflag & ~017U, old.lflag, old.line);
	for (int i = 0; i < 8; i++) say("%d ", old.cc[i]);
	say("\n");
	old.lflag &= (unsigned short)~ECHO;
	old.cc[VERASE] = '#';
	SHOW(ioctl(slave, TCSETA, &old));
	struct termios t;
	MUST(tcgetattr(slave, &t));
	say("ECHO %d, erase %d, suspend %d\n", (t.c_lflag & ECHO) != 0, t.c_cc[VERASE], t.c_cc[VSUSP]);
	SHOW(ioctl(slave, TCSETAW, &old));
	SHOW(ioctl(slave, TCSETAF, &old));
	SHOW(ioctl(slave, TCGETA, WILD));
	SHOW(ioctl(slave, TCSETA, WILD));
	// Through the master: the same settings.
	struct termios m;
	SHOW(tcgetattr(master, &m));
	YES("the master shows the slave's", m.c_lflag == t.c_lflag && m.c_cc[VERASE] == '#');
	m.c_lflag |= ECHO;
	m.c_cc[VERASE] = 0x7f;
	SHOW(tcsetattr(master, TCSANOW, &m));
	MUST(tcgetattr(slave, &t));
	say("ECHO %d, erase %d\n", (t.c_lflag & ECHO) != 0, t.c_cc[VERASE]);
	struct kernel_termios2 two;
	SHOW(ioctl(slave, TCGETS2_, &two));
	say("speeds %u %u\n", two.ispeed, two.ospeed);
	two.cflag = (two.cflag & ~(unsigned)CBAUD) | BOTHER_;
	two.ispeed = two.ospeed = 12345;
	SHOW(ioctl(slave, TCSETS2_, &two));
	SHOW(ioctl(slave, TCGETS2_, &two));
	say("speeds %u %u, code %o\n", two.ispeed, two.ospeed, two.cflag & CBAUD);
	MUST(tcgetattr(slave, &t));
	cfsetspeed(&t, B9600);
	t.c_cflag = (t.c_cflag & ~(unsigned)(CSIZE | CREAD | CSTOPB)) | CS5 | PARENB | HUPCL;
	SHOW(tcsetattr(slave, TCSANOW, &t));
	SHOW(ioctl(slave, TCGETS2_, &two));
	say("speeds %u %u cflag %o\n", two.ispeed, two.ospeed, two.cflag);
	// Hang up: B0.
	cfsetspeed(&t, B0);
	SHOW(tcsetattr(slave, TCSANOW, &t));
	MUST(tcgetattr(slave, &t));
	say("code %o\n", t.c_cflag & CBAUD);
	cfsetspeed(&t, B38400);
	MUST(tcsetattr(slave, TCSANOW, &t));
	SHOW(ioctl(slave, TCGETS, WILD));
	SHOW(ioctl(slave, TCSETS, WILD));
	SHOW(ioctl(slave, TCSETSW, WILD));
	SHOW(ioctl(slave, TCSETS2_, WILD));
	// Locked settings.
	struct termios lock;
	memset(&lock, 0, sizeof lock);
	SHOW(ioctl(slave, TIOCGLCKTRMIOS, &lock));
	say("locked %o %o %o %o\n", lock.c_iflag, lock.c_oflag, lock.c_cflag, lock.c_lflag);
	lock.c_lflag = ECHO;
	lock.c_cc[VKILL] = 1;
	SHOW(ioctl(slave, TIOCSLCKTRMIOS, &lock));
	t.c_lflag = 0;
	t.c_cc[VKILL] = 'k';
	t.c_cc[VINTR] = 'i';
	SHOW(tcsetattr(slave, TCSANOW, &t));
	MUST(tcgetattr(slave, &t));
	say("lflag %o kill %d intr %d\n", t.c_lflag, t.c_cc[VKILL], t.c_cc[VINTR]);
	memset(&lock, 0, sizeof lock);
	SHOW(ioctl(slave, TIOCSLCKTRMIOS, &lock));
	SHOW(ioctl(slave, TIOCSLCKTRMIOS, WILD));
}

static void lines(void) {
	int value = -1;
	SHOW(ioctl(slave, TIOCMGET, &value));
	value = 0;
	SHOW(ioctl(slave, TIOCMSET, &value));
	SHOW(ioctl(slave, TIOCMBIS, &value));
	SHOW(ioctl(slave, TIOCGSOFTCAR, &value));
	say("soft carrier %d\n", value);
	value = 1;
	SHOW(ioctl(slave, TIOCSSOFTCAR, &value));
	value = -1;
	SHOW(ioctl(slave, TIOCGSOFTCAR, &value));
	say("soft carrier %d\n", value);
	value = 0;
	SHOW(ioctl(slave, TIOCSSOFTCAR, &value));
	SHOW(ioctl(slave, TIOCSBRK));
	SHOW(ioctl(slave, TIOCCBRK));
	SHOW(ioctl(slave, TIOCGSERIAL, WILD));
}

static void misc(void) {
	int value = -1;
	unsigned device = 0;
	struct stat st;
	SHOW(ioctl(slave, TIOCGDEV, &device));
	fstat(slave, &st);
	YES("its device", device == st.st_rdev);
	SHOW(ioctl(slave, TIOCGETD, &value));
	say("discipline %d\n", value);
	value = 0;
	SHOW(ioctl(slave, TIOCSETD, &value));
	value = 29;
	SHOW(ioctl(slave, TIOCSETD, &value));
	value = 1000;
	SHOW(ioctl(slave, TIOCSETD, &value));
	SHOW(ioctl(slave, TIOCSETD, WILD));
	SHOW(ioctl(slave, TIOCGWINSZ, WILD));
	SHOW(ioctl(slave, TIOCSWINSZ, WILD));
	struct winsize size = {11, 22, 33, 44}, got = {0, 0, 0, 0};
	SHOW(ioctl(slave, TIOCSWINSZ, &size));
	SHOW(ioctl(master, TIOCGWINSZ, &got));
	say("%d %d %d %d\n", got.ws_row, got.ws_col, got.ws_xpixel, got.ws_ypixel);
	SHOW(ioctl(slave, TIOCOUTQ, &value));
	say("output waiting %d\n", value);
	SHOW(ioctl(slave, FIONREAD, WILD));
	SHOW(ioctl(slave, TIOCOUTQ, WILD));
	MUST(write(slave, "12345", 5));
	sleep_ms(20);
	SHOW(ioctl(master, FIONREAD, &value));
	say("the master may read %d\n", value);
	SHOW(ioctl(slave, TIOCOUTQ, &value));
	say("output waiting %d\n", value);
	SHOW(ioctl(slave, TIOCPKT, &value));
	SHOW(ioctl(slave, TIOCGPKT, &value));
	SHOW(ioctl(slave, TIOCGPTN, &value));
	SHOW(ioctl(slave, TIOCGPTLCK, &value));
	SHOW(ioctl(slave, TIOCSPTLCK, &value));
	SHOW(ioctl(slave, TIOCGPTPEER, O_RDWR));
	value = SIGUSR1;
	SHOW(ioctl(slave, TIOCSIG, SIGUSR1));
	SHOW(ioctl(master, TIOCSIG, SIGUSR1));
	SHOW(ioctl(master, TIOCSIG, 0));
	SHOW(ioctl(master, TIOCSIG, 1000));
	SHOW(ioctl(master, TIOCSIG, SIGINT));
	SHOW(ioctl(slave, FIOASYNC, &value));
	value = 0;
	SHOW(ioctl(slave, FIOASYNC, &value));
	value = 1;
	SHOW(ioctl(slave, FIONBIO, &value));
	char c;
	SHOW(read(slave, &c, 1));
	SHOW(ioctl(slave, 0x54ff, 0));
	SHOW(ioctl(master, 0x54ff, 0));
	SHOW(lseek(slave, 0, SEEK_SET));
	SHOW(lseek(master, 0, SEEK_CUR));
	SHOW(pread(slave, &c, 1, 0));
	SHOW(pwrite(slave, "x", 1, 0));
	SHOW(ftruncate(slave, 0));
	SHOW(fsync(slave));
	SHOW(fdatasync(slave));
	SHOW(mmap(NULL, 4096, PROT_READ, MAP_SHARED, slave, 0) == MAP_FAILED ? -1 : 0);
}

int main(void) {
	MUST(openpty(&master, &slave, NULL, NULL, NULL));
	locks();
	exclusive();
	settings();
	lines();
	misc();
	return 0;
}

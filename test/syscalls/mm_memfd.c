// memfd_create(2): a file without a name, shared by descriptor and mapping; seals.
#include "check.h"

int main(void) {
	int fd = memfd_create("name", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	YES("made", fd >= 0);
	SHOW(fcntl(fd, F_GETFD));
	struct stat st;
	MUST(fstat(fd, &st));
	say("size %ld, regular %s, mode %o, links %d\n", (long)st.st_size, yes(S_ISREG(st.st_mode)), st.st_mode & 07777, (int)st.st_nlink);
	SHOW(write(fd, "hello", 5));
	SHOW(ftruncate(fd, 2 * PAGE));
	char *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	say("%s\n", p);
	pid_t pid = fork();
	if (pid == 0) {
		strcpy(p + PAGE, "child");
		MUST(pwrite(fd, "J", 1, 0));
		_exit(0);
	}
	reap(pid);
	say("%s %s\n", p, p + PAGE);
	char link[64] = {0}, path[64];
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(path, link, sizeof link - 1);
	say("link: %s\n", n < 0 ? ename(errno) : link);
	int again = open(path, O_RDONLY);
	char text[8] = {0};
	say("opened again: %ld %.5s\n", (long)read(again, text, 5), text);
	SHOW(fcntl(fd, F_GET_SEALS));
	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	MUST(munmap(p, 2 * PAGE));
	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
	SHOW(ftruncate(fd, PAGE));
	SHOW(ftruncate(fd, 3 * PAGE));
	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
	SHOW(ftruncate(fd, 4 * PAGE));
	SHOW(pwrite(fd, "x", 1, 3 * PAGE));
	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	SHOW(pwrite(fd, "x", 1, 0));
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	say("shared writable mapping: %s\n", p == MAP_FAILED ? ename(errno) : "ok");
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	say("private mapping: %s\n", p == MAP_FAILED ? ename(errno) : "ok");
	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
	SHOW(fcntl(fd, F_GET_SEALS));
	int plain = memfd_create("", 0);
	SHOW(fcntl(plain, F_GET_SEALS));
	SHOW(fcntl(plain, F_ADD_SEALS, F_SEAL_GROW));
	SHOW(memfd_create("x", 0x8000));
	SHOW(memfd_create(WILD, 0));
	char name[251];
	memset(name, 'n', 250);
	name[250] = 0;
	SHOW(memfd_create(name, 0));
	name[249] = 0;
	TRY(memfd_create(name, 0));
	return 0;
}

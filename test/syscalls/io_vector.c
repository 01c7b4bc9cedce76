// readv, writev, preadv, pwritev, preadv2: gathering and scattering, short counts, empty pieces, limits, errors.
#include "check.h"
#include <sys/uio.h>

int main(void) {
	static char back[1025];
	int fd = open("f", O_RDWR | O_CREAT, 0644);
	struct iovec out[4] = {{"one", 3}, {NULL, 0}, {"-two", 4}, {"-three", 6}};
	SHOW(writev(fd, out, 4));
	say("%s\n", cat("f"));
	char a[4] = {0}, b[5] = {0}, c[20] = {0};
	struct iovec in[3] = {{a, 3}, {b, 4}, {c, 19}};
	SHOW(preadv(fd, in, 3, 0));
	say("%s|%s|%s\n", a, b, c);
	SHOW(lseek(fd, 0, SEEK_CUR));
	MUST(lseek(fd, 4, SEEK_SET));
	memset(c, 0, sizeof c);
	SHOW(readv(fd, in, 3));
	say("%s|%s|%s\n", a, b, c);
	SHOW(pwritev(fd, out, 1, 20));
	SHOW(preadv(fd, in, 3, 1000));
	SHOW(preadv(fd, in, 3, -1));
	SHOW(readv(fd, in, 0));
	SHOW(syscall(SYS_readv, fd, in, -1));
	SHOW(syscall(SYS_readv, fd, in, 1025));
	SHOW(readv(fd, WILD, 1));
	SHOW(readv(99, in, 3));
	in[1].iov_len = (size_t)-1;
	SHOW(preadv(fd, in, 3, 0));
	in[1].iov_len = 4;
	in[1].iov_base = WILD;
	SHOW(preadv(fd, in, 3, 0));
	in[0].iov_base = WILD;
	SHOW(preadv(fd, in, 3, 0));
	out[2].iov_base = WILD;
	SHOW(pwritev(fd, out, 4, 0));
	out[0].iov_base = WILD;
	SHOW(pwritev(fd, out, 4, 0));
	// A piece that is a valid address without memory: what came before it counts.
	char *guard = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	in[0].iov_base = a;
	in[1].iov_base = guard;
	SHOW(preadv(fd, in, 3, 0));
	in[0].iov_base = guard;
	SHOW(preadv(fd, in, 3, 0));
	out[0] = (struct iovec){"ONE", 3};
	out[2].iov_base = guard;
	SHOW(pwritev(fd, out, 4, 0));
	SHOW(pread(fd, back, 6, 0));
	say("%.6s\n", back);
	// 1024 pieces.
	static struct iovec many[1025];
	static char bytes[1025];
	for (int i = 0; i < 1025; i++) {
		bytes[i] = (char)('a' + i % 26);
		many[i].iov_base = &bytes[i];
		many[i].iov_len = 1;
	}
	int g = open("g", O_RDWR | O_CREAT, 0644);
	SHOW(writev(g, many, 1024));
	SHOW(writev(g, many, 1025));
	SHOW(pread(g, back, 1025, 0));
	YES("in order", memcmp(back, bytes, 1024) == 0);
	// Pipes and sockets.
	int fds[2];
	MUST(pipe(fds));
	out[0].iov_base = "pipe";
	out[0].iov_len = 4;
	out[2].iov_base = "line";
	SHOW(writev(fds[1], out, 3));
	in[0] = (struct iovec){a, 2};
	in[1] = (struct iovec){b, 3};
	in[2] = (struct iovec){c, 19};
	memset(a, 0, sizeof a);
	memset(b, 0, sizeof b);
	memset(c, 0, sizeof c);
	SHOW(readv(fds[0], in, 3));
	say("%s|%s|%s\n", a, b, c);
	SHOW(preadv(fds[0], in, 3, 0));
	// preadv2: -1 uses the offset; unknown flags are refused.
	MUST(lseek(fd, 0, SEEK_SET));
	in[0].iov_base = a;
	SHOW(preadv2(fd, in, 1, -1, 0));
	SHOW(lseek(fd, 0, SEEK_CUR));
	SHOW(preadv2(fd, in, 1, 0, 0x4000));
	SHOW(pwritev2(fd, out, 1, 0, RWF_DSYNC));
	SHOW(pwritev2(g, out, 1, 0, RWF_APPEND));
	SHOW(lseek(g, 0, SEEK_END));
	// A total above what a call may do is refused; each length is fine.
	in[0].iov_len = in[1].iov_len = 0x7fffffffffffffff;
	SHOW(readv(fd, in, 2));
	return 0;
}

// socketpair(2) of AF_UNIX streams: both directions, shutdown, EOF, peek, nonblocking, flags, options, errors.
#include "check.h"
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

int main(void) {
	int fds[2];
	char text[32] = {0};
	SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
	SHOW(write(fds[0], "ping", 4));
	SHOW(read(fds[1], text, 10));
	SHOW(send(fds[1], "pong!", 5, 0));
	SHOW(recv(fds[0], text, 2, MSG_PEEK));
	SHOW(recv(fds[0], text, 10, 0));
	say("%s\n", text);
	SHOW(recv(fds[0], text, 10, MSG_DONTWAIT));
	// A stream has no borders.
	MUST(write(fds[0], "ab", 2));
	MUST(write(fds[0], "cd", 2));
	SHOW(recv(fds[1], text, 10, 0));
	MUST(write(fds[0], "wait", 4));
	pid_t pid = fork();
	if (pid == 0) {
		sleep_ms(20);
		_exit(write(fds[0], "all", 3) == 3 ? 0 : 1);
	}
	SHOW(recv(fds[1], text, 7, MSG_WAITALL));
	reap(pid);
	int number = 0;
	MUST(write(fds[0], "123", 3));
	SHOW(ioctl(fds[1], FIONREAD, &number));
	say("%d readable\n", number);
	struct stat st;
	MUST(fstat(fds[0], &st));
	say("type %c\n", type_letter(st.st_mode));
	SHOW(lseek(fds[0], 0, SEEK_CUR));
	SHOW(pread(fds[0], text, 1, 0));
	socklen_t length = sizeof number;
	SHOW(getsockopt(fds[0], SOL_SOCKET, SO_TYPE, &number, &length));
	say("type %d length %u\n", number == SOCK_STREAM, length);
	SHOW(getsockopt(fds[0], SOL_SOCKET, SO_DOMAIN, &number, &length));
	say("domain %d\n", number == AF_UNIX);
	SHOW(getsockopt(fds[0], SOL_SOCKET, SO_ERROR, &number, &length));
	say("error %d\n", number);
	SHOW(getsockopt(fds[0], SOL_SOCKET, SO_ACCEPTCONN, &number, &length));
	say("accepting %d\n", number);
	struct ucred credentials;
	length = sizeof credentials;
	SHOW(getsockopt(fds[0], SOL_SOCKET, SO_PEERCRED, &credentials, &length));
	say("peer is me: %s uid %d gid %d\n", yes(credentials.pid == getpid()), (int)credentials.uid, (int)credentials.gid);
	struct sockaddr_un address;
	length = sizeof address;
	SHOW(getsockname(fds[0], (struct sockaddr *)&address, &length));
	say("name: family %d length %u\n", address.sun_family == AF_UNIX, length);
	length = sizeof address;
	SHOW(getpeername(fds[0], (struct sockaddr *)&address, &length));
	// shutdown
	SHOW(shutdown(fds[0], SHUT_WR));
	SHOW(read(fds[1], text, 10));
	SHOW(read(fds[1], text, 10));
	SHOW(write(fds[1], "still", 5));
	SHOW(read(fds[0], text, 10));
	SHOW(send(fds[0], "x", 1, MSG_NOSIGNAL));
	SHOW(shutdown(fds[0], SHUT_RD));
	SHOW(send(fds[1], "x", 1, MSG_NOSIGNAL));
	SHOW(read(fds[0], text, 1));
	SHOW(shutdown(fds[0], 7));
	SHOW(shutdown(0x7fffffff, SHUT_RD));
	close(fds[0]);
	SHOW(read(fds[1], text, 10));
	SHOW(send(fds[1], "x", 1, MSG_NOSIGNAL));
	close(fds[1]);
	// Bytes that were sent before the close arrive; bytes left unread there give ECONNRESET here.
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds));
	say("cloexec %d nonblock %s\n", fcntl(fds[0], F_GETFD), yes(fcntl(fds[1], F_GETFL) & O_NONBLOCK));
	MUST(write(fds[0], "last", 4));
	close(fds[0]);
	SHOW(read(fds[1], text, 10));
	SHOW(read(fds[1], text, 10));
	close(fds[1]);
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds));
	MUST(write(fds[0], "unread", 6));
	close(fds[1]);
	SHOW(read(fds[0], text, 10));
	SHOW(read(fds[0], text, 10));
	close(fds[0]);
	// Full: EAGAIN.
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds));
	static char big[65536];
	long total = 0;
	ssize_t n;
	while ((n = write(fds[0], big, sizeof big)) > 0) total += n;
	say("full: %s after at least 64 KiB: %s\n", ename(errno), yes(total >= 65536));
	long back = 0;
	while ((n = read(fds[1], big, sizeof big)) > 0) back += n;
	YES("as much came back", back == total);
	YES("writable again", write(fds[0], "x", 1) == 1);
	SHOW(socketpair(AF_UNIX, 99, 0, fds));
	SHOW(socketpair(AF_UNIX, SOCK_STREAM, 99, fds));
	SHOW(socketpair(99, SOCK_STREAM, 0, fds));
	SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, WILD));
	SHOW(recv(0x7fffffff, text, 1, 0));
	SHOW(getsockopt(fds[0], SOL_SOCKET, 9999, &number, &length));
	int file = open("file", O_RDWR | O_CREAT, 0600);
	SHOW(send(file, "x", 1, 0));
	SHOW(shutdown(file, SHUT_RD));
	return 0;
}

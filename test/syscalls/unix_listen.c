// Named AF_UNIX streams: bind, listen, connect, accept, names, backlog, the file in the file system, abstract names, errors.
#include "check.h"
#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct sockaddr_un address;

static socklen_t path_address(const char *path) {
	memset(&address, 0, sizeof address);
	address.sun_family = AF_UNIX;
	strcpy(address.sun_path, path);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1);
}

static int make(void) {
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	MUST(fd);
	return fd;
}

int main(void) {
	int listener = make(), client = make();
	char text[32] = {0};
	socklen_t length = path_address("socket");
	SHOW(connect(client, (struct sockaddr *)&address, length));
	SHOW(listen(listener, 5));
	SHOW(bind(listener, (struct sockaddr *)&address, length));
	SHOW(bind(listener, (struct sockaddr *)&address, length));
	SHOW(bind(client, (struct sockaddr *)&address, length));
	SHOW(connect(client, (struct sockaddr *)&address, length));
	SHOW(accept(listener, NULL, NULL));
	SHOW(listen(listener, 5));
	struct stat st;
	MUST(lstat("socket", &st));
	say("file: %c %o\n", type_letter(st.st_mode), st.st_mode & 07777);
	SHOW(open("socket", O_RDWR));
	SHOW(connect(client, (struct sockaddr *)&address, length));
	SHOW(connect(client, (struct sockaddr *)&address, length));
	// Data sent before accept is there after it.
	SHOW(write(client, "early", 5));
	length = sizeof address;
	int server = accept4(listener, (struct sockaddr *)&address, &length, SOCK_CLOEXEC);
	YES("accepted", server >= 0);
	say("client's name length %u, cloexec %d\n", length, fcntl(server, F_GETFD));
	SHOW(read(server, text, 10));
	SHOW(write(server, "reply", 5));
	SHOW(read(client, text, 10));
	length = sizeof address;
	SHOW(getsockname(server, (struct sockaddr *)&address, &length));
	say("server's name: %s, length %u\n", address.sun_path, length);
	length = sizeof address;
	SHOW(getpeername(client, (struct sockaddr *)&address, &length));
	say("client's peer: %s\n", address.sun_path);
	length = 4;
	memset(&address, 0x55, sizeof address);
	SHOW(getpeername(client, (struct sockaddr *)&address, &length));
	say("cut: length says %u, bytes %.2s\n", length, address.sun_path);
	SHOW(getpeername(listener, (struct sockaddr *)&address, &length));
	close(client);
	SHOW(read(server, text, 10));
	// Unlinked: established connections stay, new ones fail; the name can be bound again.
	MUST(unlink("socket"));
	client = make();
	length = path_address("socket");
	SHOW(connect(client, (struct sockaddr *)&address, length));
	int second = make();
	SHOW(bind(second, (struct sockaddr *)&address, length));
	SHOW(connect(client, (struct sockaddr *)&address, length));
	close(listener);
	// Nonblocking accept, poll, and a listener that closes with a client in its queue.
	SHOW(listen(second, 2));
	MUST(fcntl(second, F_SETFL, O_NONBLOCK));
	SHOW(accept(second, NULL, NULL));
	struct pollfd poller = {second, POLLIN, 0};
	SHOW(poll(&poller, 1, 0));
	SHOW(connect(client, (struct sockaddr *)&address, length));
	SHOW(poll(&poller, 1, 1000));
	close(second);
	SHOW(read(client, text, 1));
	int third = make();
	SHOW(connect(third, (struct sockaddr *)&address, length));
	// The backlog: a nonblocking connect to a full queue is EAGAIN.
	listener = make();
	length = path_address("other");
	MUST(bind(listener, (struct sockaddr *)&address, length));
	MUST(listen(listener, 1));
	int connected = 0;
	for (int i = 0; i < 10; i++) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (connect(fd, (struct sockaddr *)&address, length) == 0) connected++;
		else {
			say("full: %s\n", ename(errno));
			break;
		}
	}
	say("queued with backlog 1: %d\n", connected);
	// Names that cannot be bound.
	int fd = make();
	length = path_address("missing/socket");
	SHOW(bind(fd, (struct sockaddr *)&address, length));
	length = path_address(".");
	SHOW(bind(fd, (struct sockaddr *)&address, length));
	SHOW(connect(fd, (struct sockaddr *)&address, length));
	put("plain", "");
	length = path_address("plain");
	SHOW(connect(fd, (struct sockaddr *)&address, length));
	length = path_address("missing");
	SHOW(connect(fd, (struct sockaddr *)&address, length));
	address.sun_family = AF_INET;
	SHOW(bind(fd, (struct sockaddr *)&address, length));
	address.sun_family = AF_UNIX;
	SHOW(bind(fd, (struct sockaddr *)&address, 1));
	SHOW(bind(fd, (struct sockaddr *)&address, 200));
	SHOW(bind(fd, WILD, length));
	SHOW(connect(fd, WILD, length));
	// Autobind: an abstract name of five hexadecimal digits.
	SHOW(bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)));
	length = sizeof address;
	SHOW(getsockname(fd, (struct sockaddr *)&address, &length));
	say("autobind: length %u, first byte %d\n", length, address.sun_path[0]);
	// Abstract names carry any bytes, are not in the file system, and vanish with the socket.
	listener = make();
	memset(&address, 0, sizeof address);
	address.sun_family = AF_UNIX;
	snprintf(address.sun_path + 1, 50, "tsvisor-test-%d", (int)getpid());
	length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 40);
	SHOW(bind(listener, (struct sockaddr *)&address, length));
	SHOW(listen(listener, 1));
	client = make();
	SHOW(connect(client, (struct sockaddr *)&address, length));
	fd = make();
	SHOW(connect(fd, (struct sockaddr *)&address, length - 1));
	SHOW(bind(fd, (struct sockaddr *)&address, length));
	close(listener);
	SHOW(bind(fd, (struct sockaddr *)&address, length));
	return 0;
}

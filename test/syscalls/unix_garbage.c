// Sockets that only messages hold which wait at such sockets: they are closed some time after another socket goes.
#include "check.h"
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct sockaddr_un address = {AF_UNIX, "\0garbage"};
#define ADDRESS_LENGTH (offsetof(struct sockaddr_un, sun_path) + 8)

static int unix_socket(int type) {
	int fd = socket(AF_UNIX, type, 0);
	if (fd < 0) die("socket");
	return fd;
}

static void pass(int through, int fd) {
	char byte = 'x', control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {&byte, 1};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	struct cmsghdr *part = CMSG_FIRSTHDR(&message);
	part->cmsg_level = SOL_SOCKET;
	part->cmsg_type = SCM_RIGHTS;
	part->cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(part), &fd, sizeof fd);
	MUST(sendmsg(through, &message, 0));
}

// Whether the name can be had in the end; each try lets a socket go.
static int is_free(int type) {
	for (int i = 0; i < 500; i++) {
		int fd = unix_socket(type);
		int got = bind(fd, (struct sockaddr *)&address, ADDRESS_LENGTH);
		close(fd);
		if (got == 0) return 1;
		sleep_ms(10);
	}
	return 0;
}

static int bound(int type) {
	int fd = unix_socket(type);
	MUST(bind(fd, (struct sockaddr *)&address, ADDRESS_LENGTH));
	return fd;
}
static int connected(int type) {
	int fd = unix_socket(type);
	MUST(connect(fd, (struct sockaddr *)&address, ADDRESS_LENGTH));
	return fd;
}

static void in_itself(void) {
	int named = bound(SOCK_DGRAM), sender = connected(SOCK_DGRAM);
	pass(sender, named);
	close(named);
	YES("held by its own message: free in the end", is_free(SOCK_DGRAM));
	close(sender);
}

static void in_each_other(void) {
	int named = bound(SOCK_DGRAM), sender = connected(SOCK_DGRAM), pair[2];
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	pass(sender, pair[0]);
	pass(pair[1], named);
	close(named);
	close(pair[0]);
	YES("held by each other: free in the end", is_free(SOCK_DGRAM));
	char byte;
	SHOW(read(pair[1], &byte, 1));
	close(pair[1]);
	close(sender);
}

static void at_a_listener(void) {
	int named = bound(SOCK_STREAM);
	MUST(listen(named, 1));
	int client = connected(SOCK_STREAM);
	pass(client, named);
	close(named);
	close(client);
	YES("held by a connection to itself: free in the end", is_free(SOCK_STREAM));
}

static void reachable(void) {
	int named = bound(SOCK_DGRAM), sender = connected(SOCK_DGRAM), pair[2];
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	pass(sender, named);
	pass(pair[1], named);
	close(named);
	for (int i = 0; i < 20; i++) close(unix_socket(SOCK_STREAM));
	sleep_ms(20);
	YES("in a message that can be received: held", bind(unix_socket(SOCK_DGRAM), (struct sockaddr *)&address, ADDRESS_LENGTH) == -1 && errno == EADDRINUSE);
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = {&byte, 1};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	SHOW(recvmsg(pair[0], &message, 0));
	int got;
	memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof got);
	SHOW(recv(got, &byte, 1, MSG_DONTWAIT));
	close(got);
	YES("received and closed: free", is_free(SOCK_DGRAM));
}

int main(void) {
	in_itself();
	in_each_other();
	at_a_listener();
	reachable();
	return 0;
}

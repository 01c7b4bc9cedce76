// SOL_SOCKET options of unix sockets: what each says at first, takes and says then; and what SO_RCVLOWAT, SO_PEEK_OFF, SO_PEERNAME and
// SO_PEERGROUPS do. Left out: what depends on the kernel's version (SO_REUSEPORT, 76 and up).
#include "check.h"
#include <grp.h>
#include <sys/socket.h>
#include <sys/un.h>

static int type;

static void show(int fd, int option, socklen_t room) {
	unsigned char value[64];
	memset(value, 0xee, sizeof value);
	socklen_t length = room;
	if (getsockopt(fd, SOL_SOCKET, option, value, &length) != 0) {
		say(" %s", ename(errno));
		return;
	}
	say(" %u:", length);
	for (socklen_t i = 0; i < length; i++) say("%02x", value[i]);
}

static void options(void) {
	for (int option = 1; option < 76; option++) {
		// The process's number; a number of its own; the version; who is root is in which groups.
		if (option == SO_PEERCRED || option == 57 || option == SO_REUSEPORT || option == SO_PEERGROUPS || option == 71) continue;
		int fds[2];
		MUST(socketpair(AF_UNIX, type, 0, fds));
		say("%d", option);
		show(fds[0], option, 64);
		static const int values[] = {1, 0, -5, 7, 0x10000, INT_MAX};
		for (size_t i = 0; i < COUNT(values); i++) {
			// How large buffers may be is set for each machine.
			if ((option == SO_SNDBUF || option == SO_RCVBUF) && (values[i] < 0 || values[i] > 0x10000)) continue;
			int r = setsockopt(fds[0], SOL_SOCKET, option, &values[i], sizeof(int));
			say(" %d %s", values[i], r == 0 ? "ok" : ename(errno));
			if (r == 0) show(fds[0], option, 64);
		}
		long pair[2] = {1, 0};
		say(" short %s", setsockopt(fds[0], SOL_SOCKET, option, pair, 3) == 0 ? "ok" : ename(errno));
		say(" 8 bytes %s", setsockopt(fds[0], SOL_SOCKET, option, pair, 8) == 0 ? "ok" : ename(errno));
		say(" 16 bytes %s", setsockopt(fds[0], SOL_SOCKET, option, pair, 16) == 0 ? "ok" : ename(errno));
		show(fds[0], option, 64);
		show(fds[0], option, 2);
		show(fds[0], option, 0);
		say(" bad %s %s\n", setsockopt(fds[0], SOL_SOCKET, option, WILD, 16) == 0 ? "ok" : ename(errno), getsockopt(fds[0], SOL_SOCKET, option, WILD, WILD) == 0 ? "ok" : ename(errno));
		close(fds[0]);
		close(fds[1]);
	}
}

static void unprivileged(void) {
	MUST(setgroups(0, NULL));
	MUST(setresuid(65534, 65534, 65534));
	type = SOCK_DGRAM;
	static const int tried[] = {SO_DEBUG, SO_PRIORITY, SO_MARK, SO_SNDBUFFORCE, SO_RCVBUFFORCE, 69};
	for (size_t i = 0; i < COUNT(tried); i++) {
		int fds[2];
		MUST(socketpair(AF_UNIX, type, 0, fds));
		say("%d:", tried[i]);
		for (int value = 0; value < 9; value += 4) say(" %d %s", value, setsockopt(fds[0], SOL_SOCKET, tried[i], &value, sizeof value) == 0 ? "ok" : ename(errno));
		say("\n");
		close(fds[0]);
		close(fds[1]);
	}
	int fds[2];
	socklen_t length = 0;
	MUST(socketpair(AF_UNIX, type, 0, fds));
	SHOW(getsockopt(fds[0], SOL_SOCKET, SO_PEERGROUPS, NULL, &length));
}

static void low_water(void) {
	int fds[2], least = 5;
	char buf[16];
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
	MUST(setsockopt(fds[0], SOL_SOCKET, SO_RCVLOWAT, &least, sizeof least));
	pid_t pid = fork();
	if (pid == 0) {
		MUST(write(fds[1], "ab", 2));
		sleep_ms(30);
		MUST(write(fds[1], "cd", 2));
		sleep_ms(30);
		MUST(write(fds[1], "efg", 3));
		_exit(0);
	}
	SHOW(recv(fds[0], buf, sizeof buf, 0));
	reap(pid);
	MUST(write(fds[1], "hij", 3));
	SHOW(recv(fds[0], buf, sizeof buf, MSG_DONTWAIT));
	MUST(write(fds[1], "klm", 3));
	SHOW(recv(fds[0], buf, 2, 0));
	struct timeval t = {0, 20000};
	MUST(setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t));
	SHOW(recv(fds[0], buf, sizeof buf, 0));
	SHOW(read(fds[0], buf, sizeof buf));
	MUST(write(fds[1], "no", 2));
	SHOW(read(fds[0], buf, sizeof buf));
	MUST(write(fds[1], "pq", 2));
	close(fds[1]);
	SHOW(recv(fds[0], buf, sizeof buf, 0));
}

static int peek_offset(int fd) {
	int value;
	socklen_t length = sizeof value;
	MUST(getsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &value, &length));
	return value;
}

static void look(int fd, size_t size, int flags) {
	char buf[32] = "";
	ssize_t n = recv(fd, buf, size, flags | MSG_DONTWAIT);
	say("%s%zu: %s %s, offset %d\n", flags & MSG_PEEK ? "peek " : "read ", size, n < 0 ? ename(errno) : "ok", buf, peek_offset(fd));
}

static void peeking(void) {
	int fds[2], at = 0;
	MUST(socketpair(AF_UNIX, type, 0, fds));
	MUST(write(fds[1], "aaa", 3));
	MUST(write(fds[1], "bbbbb", 5));
	MUST(write(fds[1], "cc", 2));
	look(fds[0], 2, MSG_PEEK);
	MUST(setsockopt(fds[0], SOL_SOCKET, SO_PEEK_OFF, &at, sizeof at));
	look(fds[0], 2, MSG_PEEK);
	look(fds[0], 2, MSG_PEEK);
	look(fds[0], 2, MSG_PEEK);
	look(fds[0], 2, MSG_PEEK);
	look(fds[0], 1, 0);
	look(fds[0], 20, MSG_PEEK);
	look(fds[0], 20, MSG_PEEK);
	look(fds[0], 20, MSG_PEEK);
	MUST(write(fds[1], "dd", 2));
	look(fds[0], 20, MSG_PEEK);
	look(fds[0], 20, MSG_PEEK);
	look(fds[0], 4, 0);
	look(fds[0], 20, MSG_PEEK);
	at = 100;
	MUST(setsockopt(fds[0], SOL_SOCKET, SO_PEEK_OFF, &at, sizeof at));
	look(fds[0], 20, MSG_PEEK);
	look(fds[0], 20, 0);
	at = -1;
	MUST(setsockopt(fds[0], SOL_SOCKET, SO_PEEK_OFF, &at, sizeof at));
	look(fds[0], 20, MSG_PEEK);
	look(fds[0], 20, MSG_PEEK);
}

static void names(void) {
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "place"};
	socklen_t size = offsetof(struct sockaddr_un, sun_path) + 6;
	gid_t groups[] = {5, 7, 9};
	MUST(setgroups(3, groups));
	int server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
	MUST(bind(server, (struct sockaddr *)&address, size));
	MUST(listen(server, 1));
	show(client, SO_PEERNAME, 8);
	show(client, SO_PEERGROUPS, 8);
	MUST(connect(client, (struct sockaddr *)&address, size));
	show(client, SO_PEERNAME, 8);
	show(client, SO_PEERNAME, 9);
	show(client, SO_PEERNAME, 1);
	say("\n");
	show(client, SO_PEERGROUPS, 12);
	show(client, SO_PEERGROUPS, 64);
	show(client, SO_PEERGROUPS, 11);
	say("\n");
	unsigned char value[16];
	size = 4;
	SHOW(getsockopt(client, SOL_SOCKET, SO_PEERGROUPS, value, &size));
	say("size %u\n", size);
	MUST(setgroups(0, NULL));
	int accepted = accept(server, NULL, NULL);
	show(accepted, SO_PEERGROUPS, 64);
	show(accepted, SO_PEERNAME, 2);
	show(accepted, SO_PEERNAME, 3);
	say("\n");
	uint64_t a = 0, b = 0;
	size = 8;
	SHOW(getsockopt(client, SOL_SOCKET, 57, &a, &size));
	SHOW(getsockopt(accepted, SOL_SOCKET, 57, &b, &size));
	YES("cookies differ", a != b && a != 0);
	size = 4;
	SHOW(getsockopt(client, SOL_SOCKET, 57, &a, &size));
	size = 8;
	SHOW(getsockopt(client, SOL_SOCKET, 71, &a, &size));
	SHOW(setsockopt(client, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2));
	show(client, SO_BINDTODEVICE, 16);
	show(client, SO_BINDTODEVICE, 15);
	show(client, 62, 4);
	SHOW(setsockopt(client, SOL_SOCKET, SO_BINDTODEVICE, "", 0));
	show(client, SO_BINDTODEVICE, 16);
	SHOW(setsockopt(client, SOL_SOCKET, SO_BINDTODEVICE, "nothing", 8));
	SHOW(setsockopt(client, SOL_SOCKET, SO_BINDTODEVICE, WILD, 8));
}

int main(void) {
	type = SOCK_STREAM;
	child("options of streams", options);
	child("peeking into a stream", peeking);
	type = SOCK_DGRAM;
	child("options of datagrams", options);
	child("peeking at datagrams", peeking);
	type = SOCK_SEQPACKET;
	child("peeking at packets", peeking);
	child("unprivileged", unprivileged);
	child("low water", low_water);
	child("names", names);
	return 0;
}

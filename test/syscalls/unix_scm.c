// SCM_RIGHTS and SCM_CREDENTIALS: descriptors travel with their offsets, flags stay behind, MSG_CTRUNC, MSG_CMSG_CLOEXEC, unread ones are closed.
#include "check.h"
#include <sys/socket.h>

static union {
	char bytes[4096];
	struct cmsghdr header;
} control;

static ssize_t send_fds(int socket, const int *fds, int count, const char *text) {
	struct iovec iov = {(void *)(uintptr_t)text, strlen(text)};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count)};
	memset(control.bytes, 0, sizeof control.bytes);
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
	memcpy(CMSG_DATA(&control.header), fds, sizeof(int) * (size_t)count);
	return sendmsg(socket, &message, MSG_NOSIGNAL);
}

static int received[300], flags_seen;

static ssize_t receive(int socket, int room, int flags, char *text, size_t size) {
	struct iovec iov = {text, size - 1};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = room > 0 ? control.bytes : NULL, .msg_controllen = room > 0 ? CMSG_SPACE(sizeof(int) * (size_t)room) : 0};
	memset(control.bytes, 0, sizeof control.bytes);
	ssize_t n = recvmsg(socket, &message, flags);
	if (n >= 0) text[n] = 0;
	int count = 0;
	for (struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&message); c != NULL; c = CMSG_NXTHDR(&message, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
		int here = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(received + count, CMSG_DATA(c), sizeof(int) * (size_t)here);
		count += here;
	}
	flags_seen = message.msg_flags & (MSG_CTRUNC | MSG_TRUNC);
	say("received %zd bytes, %d descriptors, flags%s%s%s\n", n, count, flags_seen & MSG_CTRUNC ? " CTRUNC" : "", flags_seen & MSG_TRUNC ? " TRUNC" : "", n < 0 ? ename(errno) : "");
	return n;
}

int main(void) {
	int pair[2], fds[300];
	char text[64];
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	put("file", "0123456789");
	int file = open("file", O_RDONLY | O_CLOEXEC);
	MUST(lseek(file, 4, SEEK_SET));
	SHOW(send_fds(pair[0], &file, 1, "take"));
	receive(pair[1], 4, 0, text, sizeof text);
	int other = received[0];
	YES("another number", other != file);
	say("cloexec %d, offset %ld\n", fcntl(other, F_GETFD), (long)lseek(other, 0, SEEK_CUR));
	MUST(read(other, text, 1));
	say("read %c, the sender's offset %ld\n", text[0], (long)lseek(file, 0, SEEK_CUR));
	SHOW(send_fds(pair[0], &file, 1, "cloexec"));
	receive(pair[1], 4, MSG_CMSG_CLOEXEC, text, sizeof text);
	say("cloexec %d\n", fcntl(received[0], F_GETFD));
	// Sent, closed by the sender, still alive in the queue.
	int doomed[2];
	MUST(pipe(doomed));
	SHOW(send_fds(pair[0], doomed, 2, "pipe"));
	close(doomed[0]);
	close(doomed[1]);
	receive(pair[1], 4, 0, text, sizeof text);
	MUST(write(received[1], "through", 7));
	MUST(read(received[0], text, 7));
	say("%.7s\n", text);
	close(received[0]);
	close(received[1]);
	// Between processes.
	pid_t pid = fork();
	if (pid == 0) {
		int made = open("made", O_RDWR | O_CREAT, 0600);
		MUST(write(made, "from the child", 14));
		_exit(send_fds(pair[0], &made, 1, "c") == 1 ? 0 : 1);
	}
	receive(pair[1], 1, 0, text, sizeof text);
	ssize_t n = pread(received[0], text, sizeof text - 1, 0);
	say("%.*s, %s\n", (int)n, text, wname(reap(pid)));
	// Less room than descriptors: those that fit, and MSG_CTRUNC. No room at all: none.
	for (int i = 0; i < 3; i++) fds[i] = file;
	SHOW(send_fds(pair[0], fds, 3, "three"));
	int next = dup(0);
	close(next);
	receive(pair[1], 2, 0, text, sizeof text);
	SHOW(send_fds(pair[0], fds, 1, "none"));
	receive(pair[1], 0, 0, text, sizeof text);
	SHOW(send_fds(pair[0], fds, 1, "plain read"));
	SHOW(read(pair[1], text, sizeof text));
	// A message with descriptors is a border in the stream.
	MUST(write(pair[0], "aa", 2));
	MUST(send_fds(pair[0], fds, 1, "bb"));
	MUST(write(pair[0], "cc", 2));
	receive(pair[1], 4, 0, text, sizeof text);
	say("%s\n", text);
	receive(pair[1], 4, 0, text, sizeof text);
	say("%s\n", text);
	receive(pair[1], 4, MSG_DONTWAIT, text, sizeof text);
	// Errors.
	int bad = 999;
	SHOW(send_fds(pair[0], &bad, 1, "x"));
	bad = -1;
	SHOW(send_fds(pair[0], &bad, 1, "x"));
	int path = open("file", O_PATH);
	SHOW(send_fds(pair[0], &path, 1, "path"));
	receive(pair[1], 1, 0, text, sizeof text);
	for (int i = 0; i < 254; i++) fds[i] = file;
	SHOW(send_fds(pair[0], fds, 254, "x"));
	SHOW(send_fds(pair[0], fds, 253, "x"));
	for (int i = 3; i < 900; i++) {
		if (i != pair[0] && i != pair[1] && i != file) close(i);
	}
	receive(pair[1], 253, 0, text, sizeof text);
	// A socket can be sent through itself; closing everything afterwards must not hang anything.
	MUST(send_fds(pair[0], pair, 2, "self"));
	close(pair[0]);
	close(pair[1]);
	// Credentials.
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	int on = 1;
	SHOW(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
	MUST(write(pair[0], "who", 3));
	struct iovec iov = {text, sizeof text};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
	SHOW(recvmsg(pair[1], &message, 0));
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);
	struct ucred credentials = {-1, 77, 77};
	if (c != NULL && c->cmsg_type == SCM_CREDENTIALS) memcpy(&credentials, CMSG_DATA(c), sizeof credentials);
	say("credentials: me %s uid %d gid %d\n", yes(credentials.pid == getpid()), (int)credentials.uid, (int)credentials.gid);
	// Whom one may claim to be.
	static const struct ucred claims[] = {{1, 5, 6}, {99999999, 5, 6}, {1, (uid_t)-1, 6}, {1, 5, (gid_t)-1}};
	for (size_t i = 0; i < COUNT(claims); i++) {
		struct iovec byte = {"x", 1};
		struct msghdr claim = {.msg_iov = &byte, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = CMSG_SPACE(sizeof *claims)};
		memset(control.bytes, 0, sizeof control.bytes);
		struct cmsghdr *h = CMSG_FIRSTHDR(&claim);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_CREDENTIALS;
		h->cmsg_len = CMSG_LEN(sizeof *claims);
		memcpy(CMSG_DATA(h), &claims[i], sizeof *claims);
		SHOW(sendmsg(pair[0], &claim, MSG_DONTWAIT));
	}
	SHOW(sendmsg(pair[0], WILD, 0));
	SHOW(recvmsg(pair[0], WILD, 0));
	message.msg_iov = WILD;
	SHOW(sendmsg(pair[0], &message, 0));
	message.msg_iov = &iov;
	message.msg_iovlen = 1025;
	SHOW(sendmsg(pair[0], &message, 0));
	return 0;
}

// Whose credentials come with a message (SO_PASSCRED, SCM_CREDENTIALS): those of the process that sends it, by whatever call, its real
// user and group; and whose SO_PEERCRED tells.
#include "check.h"
#include <sys/socket.h>
#include <sys/uio.h>

static int pair[2];

static void receive(const char *what) {
	char bytes[100], text[10];
	struct iovec io = {text, sizeof text};
	struct msghdr message = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = bytes, .msg_controllen = sizeof bytes};
	ssize_t n = recvmsg(pair[1], &message, MSG_DONTWAIT);
	struct cmsghdr *part = n < 0 ? NULL : CMSG_FIRSTHDR(&message);
	struct ucred creds = {-1, 0, 0};
	if (part != NULL) memcpy(&creds, CMSG_DATA(part), sizeof creds);
	say("%s: %s", what, n < 0 ? ename(errno) : part == NULL ? "no credentials" : creds.pid == getpid() ? "mine" : creds.pid == 0 ? "nobody's" : "another's");
	if (part != NULL) say(" %d %d", (int)creds.uid, (int)creds.gid);
	say("\n");
}

static void other_user(void) { MUST(syscall(SYS_setresuid, 5, 5, 5)); }
static void nothing(void) {}
static void by_write(void) { MUST(write(pair[0], "a", 1)); }
static void by_writev(void) {
	struct iovec io = {(char *)"a", 1};
	MUST(writev(pair[0], &io, 1));
}
static void by_send(void) { MUST(send(pair[0], "a", 1, 0)); }
static void by_sendmsg(void) {
	struct iovec io = {(char *)"a", 1};
	struct msghdr message = {.msg_iov = &io, .msg_iovlen = 1};
	MUST(sendmsg(pair[0], &message, 0));
}
static void by_splice(void) {
	int ends[2];
	MUST(pipe(ends));
	MUST(write(ends[1], "a", 1));
	MUST(splice(ends[0], NULL, pair[0], NULL, 1, 0));
	close(ends[0]);
	close(ends[1]);
}

static const struct {
	const char *name;
	void (*send)(void);
} ways[] = {{"write", by_write}, {"writev", by_writev}, {"send", by_send}, {"sendmsg", by_sendmsg}, {"splice", by_splice}};

static void in_child(void (*first)(void), void (*send)(void)) {
	pid_t pid = fork();
	if (pid == 0) {
		first();
		send();
		_exit(0);
	}
	MUST(waitpid(pid, NULL, 0));
}

int main(void) {
	static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
	int on = 1;
	for (size_t i = 0; i < COUNT(types); i++) {
		say("type %d\n", types[i]);
		MUST(socketpair(AF_UNIX, types[i], 0, pair));
		MUST(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
		for (size_t k = 0; k < COUNT(ways); k++) {
			say("%s\n", ways[k].name);
			ways[k].send();
			receive("  mine");
			in_child(nothing, ways[k].send);
			receive("  a child's");
			in_child(other_user, ways[k].send);
			receive("  another user's");
			MUST(syscall(SYS_setresgid, 1001, 0, 0));
			MUST(syscall(SYS_setresuid, 1000, 0, 0));
			ways[k].send();
			receive("  real and effective user");
			MUST(syscall(SYS_setresuid, 0, 0, 0));
			MUST(syscall(SYS_setresgid, 0, 0, 0));
		}
		struct ucred creds;
		socklen_t length = sizeof creds;
		MUST(getsockopt(pair[0], SOL_SOCKET, SO_PEERCRED, &creds, &length));
		YES("the peer is mine", creds.pid == getpid() && creds.uid == 0 && creds.gid == 0);
		close(pair[0]);
		close(pair[1]);
	}
	return 0;
}

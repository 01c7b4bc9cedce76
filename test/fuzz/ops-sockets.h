// Pipes, unix sockets, event descriptors, waiting.
#include "interp.h"

static void say_pair(long value, const int *fds) {
	if (value == -1) result(-1);
	else say("%d %d\n", fds[0], fds[1]);
}
static void op_pipe(struct op *op) {
	int fds[2];
	say_pair(pipe2(fds, FD(0) | O_NONBLOCK), fds);
}
static void op_socketpair(struct op *op) {
	int fds[2];
	say_pair(socketpair(FD(0), FD(1) | SOCK_NONBLOCK, FD(2), fds), fds);
}
static void op_socket(struct op *op) { result(socket(AF_UNIX, FD(0) | SOCK_NONBLOCK, FD(1))); }

// "@name" is an abstract address (its own in each sequence, by the network namespace or the name), "~" none at all.
static socklen_t address_of(const struct op *op, int i, struct sockaddr_un *address) {
	const char *path = path_of(op, i);
	memset(address, 0, sizeof *address);
	address->sun_family = AF_UNIX;
	size_t length = strlen(path);
	if (length > sizeof address->sun_path) length = sizeof address->sun_path;
	memcpy(address->sun_path, path, length);
	if (path[0] == '@') {
		address->sun_path[0] = 0;
		return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
	}
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (length == 0 ? 0 : length < sizeof address->sun_path ? length + 1 : length));
}
static void say_address(const struct sockaddr_un *address, socklen_t length) {
	long path = (long)length - (long)offsetof(struct sockaddr_un, sun_path);
	if (length == 0) say("none");
	else if (path <= 0) say("family=%d unnamed", address->sun_family);
	else if (address->sun_path[0] != 0) say("%.*s+%ld", (int)path, address->sun_path, path);
	// Names that the kernel chooses are random.
	else if (path == 6 && strspn(address->sun_path + 1, "0123456789abcdef") >= 5) say("@auto");
	else if (path > 1) say("@%.*s", (int)path - 1, address->sun_path + 1);
	else say("@");
}
static void op_bind(struct op *op) {
	struct sockaddr_un address;
	socklen_t length = address_of(op, 2, &address);
	// Names that the kernel chooses are random.
	result(length <= 2 ? -2 : bind(FD(0), (struct sockaddr *)&address, length));
}
static void op_connect(struct op *op) {
	struct sockaddr_un address;
	socklen_t length = address_of(op, 2, &address);
	if (length <= 2) address.sun_family = AF_UNSPEC;
	result(connect(FD(0), (struct sockaddr *)&address, length));
}
static void op_listen(struct op *op) { result(listen(FD(0), FD(1))); }
static void op_accept(struct op *op) {
	struct sockaddr_un address;
	socklen_t length = sizeof address;
	long fd = accept4(FD(0), (struct sockaddr *)&address, &length, FD(1) | SOCK_NONBLOCK);
	if (fd >= 0) {
		say_address(&address, length);
		say(" ");
	}
	result(fd);
}
static void op_names(struct op *op) {
	struct sockaddr_un address;
	socklen_t length = sizeof address;
	if (getsockname(FD(0), (struct sockaddr *)&address, &length) == -1) say("%s", ename(errno));
	else say_address(&address, length);
	say(" to ");
	length = sizeof address;
	if (getpeername(FD(0), (struct sockaddr *)&address, &length) == -1) say("%s", ename(errno));
	else say_address(&address, length);
	say("\n");
}
static void op_shutdown(struct op *op) { result(shutdown(FD(0), FD(1))); }
static void op_send(struct op *op) {
	if (is_filling(FD(0), (long)clip(ARG(1)))) return;
	fill(buffer, clip(ARG(1)), ARG(3));
	result(send(FD(0), buffer, clip(ARG(1)), FD(2) | MSG_DONTWAIT));
}
static void op_sendto(struct op *op) {
	struct sockaddr_un address;
	socklen_t length = address_of(op, 2, &address);
	if (is_filling(FD(0), (long)clip(ARG(2)))) return;
	fill(buffer, clip(ARG(2)), 2);
	result(sendto(FD(0), buffer, clip(ARG(2)), FD(3) | MSG_DONTWAIT, (struct sockaddr *)&address, length));
}
static void op_recv(struct op *op) {
	struct sockaddr_un address;
	socklen_t length = sizeof address;
	memset(buffer, 0, clip(ARG(1)));
	long value = recvfrom(FD(0), buffer, clip(ARG(1)), FD(2) | MSG_DONTWAIT, (struct sockaddr *)&address, &length);
	long kept = value > (long)clip(ARG(1)) ? (long)clip(ARG(1)) : value;
	if (value >= 0) {
		say_address(&address, length);
		say(" %ld ", value);
	}
	result_read(FD(0), kept);
}
// fd, length, flags, and descriptors to pass; the descriptor "creds" passes credentials.
static void op_sendmsg(struct op *op) {
	char control[256] __attribute__((aligned(8)));
	if (is_filling(FD(0), (long)clip(ARG(1)))) return;
	fill(buffer, clip(ARG(1)), 8);
	struct iovec iov = {buffer, clip(ARG(1))};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control};
	memset(control, 0, sizeof control);
	int fds[8], count = 0;
	for (int i = 4; i < op->count && count < 8; i++) {
		if (strcmp(op->word[i], "creds") == 0) {
			struct cmsghdr *part = (struct cmsghdr *)(control + message.msg_controllen);
			struct ucred creds = {getpid(), geteuid(), getegid()};
			part->cmsg_level = SOL_SOCKET;
			part->cmsg_type = SCM_CREDENTIALS;
			part->cmsg_len = CMSG_LEN(sizeof creds);
			memcpy(CMSG_DATA(part), &creds, sizeof creds);
			message.msg_controllen += CMSG_SPACE(sizeof creds);
			if (message.msg_controllen > 150) break;
		} else fds[count++] = (int)op->n[i];
	}
	if (count > 0) {
		struct cmsghdr *part = (struct cmsghdr *)(control + message.msg_controllen);
		part->cmsg_level = SOL_SOCKET;
		part->cmsg_type = SCM_RIGHTS;
		part->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
		memcpy(CMSG_DATA(part), fds, sizeof(int) * (size_t)count);
		message.msg_controllen += CMSG_SPACE(sizeof(int) * (size_t)count);
	}
	struct stat st;
	for (int i = 0; i < count; i++)
		if (fstat(fds[i], &st) == 0 && S_ISSOCK(st.st_mode)) output->has_socket_in_flight = 1;
	if (message.msg_controllen == 0) message.msg_control = NULL;
	result(sendmsg(FD(0), &message, FD(2) | MSG_DONTWAIT));
}
// fd, length, flags, bytes of room for control messages.
static void op_recvmsg(struct op *op) {
	char control[512] __attribute__((aligned(8)));
	struct iovec iov = {buffer, clip(ARG(1))};
	size_t room = (size_t)(ARG(3) < 0 ? 0 : ARG(3) > 512 ? 512 : ARG(3));
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = room};
	long value = recvmsg(FD(0), &message, FD(2) | MSG_DONTWAIT);
	if (value == -1) {
		result(-1);
		return;
	}
	say("flags=%x control=%ld ", message.msg_flags, (long)message.msg_controllen);
	for (struct cmsghdr *part = CMSG_FIRSTHDR(&message); part != NULL; part = CMSG_NXTHDR(&message, part)) {
		if (part->cmsg_type == SCM_RIGHTS) {
			say("fds");
			for (size_t i = 0; CMSG_LEN(sizeof(int) * (i + 1)) <= part->cmsg_len; i++) {
				int fd;
				memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
				say(" %d", fd);
			}
			say("; ");
		} else if (part->cmsg_type == SCM_CREDENTIALS && part->cmsg_len >= CMSG_LEN(sizeof(struct ucred))) {
			struct ucred creds;
			memcpy(&creds, CMSG_DATA(part), sizeof creds);
			say("creds %s %d %d; ", creds.pid == getpid() ? "own" : creds.pid == 0 ? "none" : "other", creds.uid, creds.gid);
		} else say("type=%d len=%ld; ", part->cmsg_type, (long)part->cmsg_len);
	}
	say("%ld ", value);
	result_read(FD(0), value > (long)iov.iov_len ? (long)iov.iov_len : value);
}
static void op_getsockopt(struct op *op) {
	int value = -7;
	socklen_t length = sizeof value;
	if (getsockopt(FD(0), SOL_SOCKET, FD(1), &value, &length) == -1) result(-1);
	else if (FD(1) == SO_PEERCRED) say("%d\n", (int)length);
	else say("%d (%d)\n", value, (int)length);
}
static void op_setsockopt(struct op *op) {
	int value = FD(2);
	result(setsockopt(FD(0), SOL_SOCKET, FD(1), &value, sizeof value));
}
static void op_peercred(struct op *op) {
	struct ucred creds;
	socklen_t length = sizeof creds;
	if (getsockopt(FD(0), SOL_SOCKET, SO_PEERCRED, &creds, &length) == -1) result(-1);
	else say("%s %d %d\n", creds.pid == getpid() ? "own" : creds.pid == 0 ? "none" : "other", (int)creds.uid, (int)creds.gid);
}

static void op_eventfd(struct op *op) { result(eventfd((unsigned)ARG(0), FD(1) | EFD_NONBLOCK)); }
static void op_evwrite(struct op *op) {
	uint64_t value = (uint64_t)ARG(1);
	result(write(FD(0), &value, sizeof value));
}
static void op_timerfd(struct op *op) { result(timerfd_create(FD(0), FD(1) | TFD_NONBLOCK)); }
// A time far in the future, or no time: nothing ever expires.
static void op_timerset(struct op *op) {
	struct itimerspec value = {{ARG(2), 0}, {ARG(3) == 0 ? 0 : 4000000000 + ARG(3), 0}}, old = {{0, 0}, {0, 0}};
	long got = timerfd_settime(FD(0), FD(1), &value, &old);
	say("interval=%ld armed=%d ", (long)old.it_interval.tv_sec, old.it_value.tv_sec != 0);
	result(got);
}
static void op_epoll(struct op *op) { result(epoll_create1(FD(0))); }
static void op_epollctl(struct op *op) {
	struct epoll_event event = {.events = (uint32_t)ARG(3), .data.u32 = (uint32_t)ARG(4)};
	result(epoll_ctl(FD(0), FD(1), FD(2), &event));
}
static int by_data(const void *a, const void *b) {
	const struct epoll_event *x = a, *y = b;
	if (x->data.u32 != y->data.u32) return x->data.u32 < y->data.u32 ? -1 : 1;
	return x->events < y->events ? -1 : x->events > y->events;
}
static void op_epollwait(struct op *op) {
	struct epoll_event events[32];
	// All there is: which of many come first is nobody's promise.
	int count = epoll_wait(FD(0), events, ARG(1) <= 0 ? FD(1) : 32, 0);
	if (count > 0) qsort(events, (size_t)count, sizeof events[0], by_data);
	for (int i = 0; i < count; i++) say("%u:%x ", events[i].data.u32, events[i].events);
	result(count);
}
static void op_inotify(struct op *op) { result(inotify_init1(FD(0) | IN_NONBLOCK)); }
static void op_watch(struct op *op) { result(inotify_add_watch(FD(0), path_of(op, 2), (uint32_t)ARG(2))); }
static void op_unwatch(struct op *op) { result(inotify_rm_watch(FD(0), FD(1))); }
// What there is, or what fits into so many bytes.
static void op_events(struct op *op) {
	long nameless = 0, got = read(FD(0), buffer, has_nameless && ARG(1) > 0 ? sizeof buffer : clip(ARG(1)));
	struct stat st;
	// Other files are read as well.
	if (got > 0 && fstat(FD(0), &st) == 0 && (st.st_mode & S_IFMT) != 0) {
		result_bytes(got, buffer);
		return;
	}
	for (long at = 0; at + (long)sizeof(struct inotify_event) <= got;) {
		const struct inotify_event *event = (const void *)(buffer + at);
		say("%d:%x%s", event->wd, event->mask, event->cookie == 0 ? "" : "c");
		// Files without a name are called by their number.
		if (event->len > 0 && event->name[0] == '#') {
			say(":#");
			nameless += (long)sizeof *event + event->len;
		} else if (event->len > 0) say(":%.*s+%u", (int)event->len, event->name, event->len);
		say(" ");
		at += (long)sizeof *event + event->len;
	}
	result(got - nameless);
}
static void op_poll(struct op *op) {
	struct pollfd fds[4] = {{FD(0), (short)ARG(1), 0}, {FD(2), (short)ARG(3), 0}};
	int count = poll(fds, op->count > 3 ? 2 : 1, 0);
	if (count > 0) say("%x %x ", fds[0].revents, fds[1].revents);
	result(count);
}
static void op_select(struct op *op) {
	fd_set in, out, except;
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_ZERO(&except);
	for (int i = 1; i + 1 < op->count; i++) {
		if (ARG(i) < 0 || ARG(i) >= FD_LIMIT) continue;
		FD_SET(FD(i), &in);
		FD_SET(FD(i), &out);
		FD_SET(FD(i), &except);
	}
	struct timeval zero = {0, 0};
	int count = select(FD(0), &in, &out, &except, &zero);
	if (count > 0) say("%lx %lx %lx ", in.fds_bits[0], out.fds_bits[0], except.fds_bits[0]);
	result(count);
}

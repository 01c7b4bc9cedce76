// Options of sockets, several messages at once.
#include "interp.h"
#include <linux/sockios.h>

// sockopt FD OPTION LENGTH, and getopt: options with values of any length.
static void op_setopt(struct op *op) {
	// fd, option, value, value, length
	long value[2] = {ARG(2), ARG(3)};
	int small = FD(2);
	if (ARG(4) == 4) result(setsockopt(FD(0), SOL_SOCKET, FD(1), &small, 4));
	else result(setsockopt(FD(0), SOL_SOCKET, FD(1), value, (socklen_t)(ARG(4) > 16 ? 16 : ARG(4))));
}
static void op_getopt(struct op *op) {
	// fd, option, room
	unsigned char value[64];
	memset(value, 0x55, sizeof value);
	socklen_t length = (socklen_t)(ARG(2) > 60 ? 60 : ARG(2));
	if (getsockopt(FD(0), SOL_SOCKET, FD(1), value, &length) == -1) result(-1);
	else {
		say("%d:", (int)length);
		for (socklen_t i = 0; i < length && i < 16; i++) say(" %02x", value[i]);
		say("\n");
	}
}
static void op_outq(struct op *op) {
	int value = -7;
	// How much memory the queue takes is the kernel's business.
	if (ioctl(FD(0), SIOCOUTQ, &value) == -1) say("%s\n", errno == EINVAL ? "ENOTTY" : ename(errno));
	else say("%s\n", value == 0 ? "0" : "some");
}
static void op_sendmmsg(struct op *op) {
	// fd, flags, lengths of three
	struct mmsghdr messages[3];
	struct iovec iov[3];
	long sum = 0;
	for (int i = 0; i < 3; i++) sum += (long)clip(ARG(2 + i));
	if (is_filling(FD(0), sum)) return;
	memset(messages, 0, sizeof messages);
	for (int i = 0; i < 3; i++) {
		iov[i] = (struct iovec){buffer, clip(ARG(2 + i))};
		messages[i].msg_hdr.msg_iov = &iov[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	fill(buffer, BUFFER_SIZE, 3);
	int count = sendmmsg(FD(0), messages, 3, FD(1) | MSG_DONTWAIT);
	for (int i = 0; i < count; i++) say("%u ", messages[i].msg_len);
	result(count);
}
static void op_recvmmsg(struct op *op) {
	// fd, flags, lengths of three
	struct mmsghdr messages[3];
	struct iovec iov[3];
	memset(messages, 0, sizeof messages);
	memset(buffer, 0, BUFFER_SIZE);
	for (int i = 0; i < 3; i++) {
		iov[i] = (struct iovec){buffer + i * 70000, clip(ARG(2 + i)) > 70000 ? 70000 : clip(ARG(2 + i))};
		messages[i].msg_hdr.msg_iov = &iov[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	int count = recvmmsg(FD(0), messages, 3, FD(1) | MSG_DONTWAIT, NULL);
	for (int i = 0; i < count; i++) {
		size_t length = messages[i].msg_len > iov[i].iov_len ? iov[i].iov_len : messages[i].msg_len;
		say("%u:%x:%08x ", messages[i].msg_len, messages[i].msg_hdr.msg_flags, output->has_spliced ? 0 : checksum(iov[i].iov_base, length));
	}
	result(count);
}

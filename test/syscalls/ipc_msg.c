// System V message queues: types, order, blocking, limits, removal, errors.
#include "check.h"
#include <grp.h>
#include <sys/ipc.h>
#include <sys/msg.h>

static int id;
static struct {
	long type;
	char text[9000];
} m;

static int put_msg(long type, const char *text, int flags) {
	m.type = type;
	strcpy(m.text, text);
	return msgsnd(id, &m, strlen(text) + 1, flags);
}

static const char *get_msg(size_t size, long type, int flags) {
	static char text[128];
	memset(&m, 0, sizeof m);
	ssize_t n = msgrcv(id, &m, size, type, flags);
	if (n < 0) return ename(errno);
	snprintf(text, sizeof text, "%zd bytes type %ld '%.20s'", n, m.type, m.text);
	return text;
}

static void show(const char *label) {
	struct msqid_ds ds;
	if (msgctl(id, IPC_STAT, &ds) < 0) say("%s: %s\n", label, ename(errno));
	else
		say("%s: %lu messages %lu bytes of %lu mode %o sender %s receiver %s\n", label, (unsigned long)ds.msg_qnum, (unsigned long)ds.__msg_cbytes,
			(unsigned long)ds.msg_qbytes, ds.msg_perm.mode, ds.msg_lspid == 0 ? "none" : ds.msg_lspid == getpid() ? "me" : "other",
			ds.msg_lrpid == 0 ? "none" : ds.msg_lrpid == getpid() ? "me" : "other");
}

static void nothing(int sig) { (void)sig; }

static void other_user(void) {
	MUST(setgroups(0, NULL));
	MUST(setgid(1));
	MUST(setuid(1));
	SHOW(put_msg(1, "x", 0));
	say("%s\n", get_msg(10, 0, IPC_NOWAIT));
	SHOW(msgctl(id, IPC_RMID, NULL));
}

int main(void) {
	const key_t key = 0x5eed03;
	int old = msgget(key, 0);
	if (old >= 0) msgctl(old, IPC_RMID, NULL);
	SHOW(msgget(key, 0));
	id = msgget(key, IPC_CREAT | 0600);
	YES("made", id >= 0);
	YES("found", msgget(key, 0) == id);
	SHOW(msgget(key, IPC_CREAT | IPC_EXCL));
	show("fresh");
	SHOW(put_msg(3, "three", 0));
	SHOW(put_msg(1, "one", 0));
	SHOW(put_msg(2, "two", 0));
	SHOW(put_msg(1, "one again", 0));
	SHOW(put_msg(5, "", 0));
	show("five");
	say("least up to 2: %s\n", get_msg(100, -2, 0));
	say("type 2: %s\n", get_msg(100, 2, 0));
	say("type 9: %s\n", get_msg(100, 9, IPC_NOWAIT));
	say("not 3: %s\n", get_msg(100, 3, MSG_EXCEPT));
	say("too small: %s\n", get_msg(3, 3, 0));
	say("cut: %s\n", get_msg(3, 3, MSG_NOERROR));
	say("any: %s\n", get_msg(100, 0, 0));
	say("none: %s\n", get_msg(100, 0, IPC_NOWAIT));
	show("empty");

	SHOW(put_msg(0, "x", 0));
	SHOW(put_msg(-1, "x", 0));
	m.type = 1;
	SHOW(msgsnd(id, &m, 8193, 0));
	SHOW(msgsnd(id, &m, (size_t)-1, 0));
	SHOW(msgsnd(-1, &m, 1, 0));
	SHOW(msgsnd(0x7fff0000, &m, 1, 0));
	SHOW(msgsnd(id, WILD, 1, 0));
	SHOW(msgrcv(-1, &m, 1, 0, 0));
	SHOW(msgrcv(id, &m, (size_t)-1, 0, IPC_NOWAIT));
	SHOW(msgsnd(id, &m, 0, 0));
	SHOW(msgrcv(id, WILD, 100, 0, 0));
	say("lost: %s\n", get_msg(100, 0, IPC_NOWAIT));
	SHOW(msgctl(id, 99, NULL));
	SHOW(msgctl(id, IPC_STAT, WILD));

	// The queue's limit.
	m.type = 1;
	SHOW(msgsnd(id, &m, 8192, 0));
	SHOW(msgsnd(id, &m, 8192, 0));
	SHOW(msgsnd(id, &m, 1, IPC_NOWAIT));
	SHOW(msgsnd(id, &m, 0, IPC_NOWAIT));
	show("full");
	pid_t pid = fork();
	if (pid == 0) {
		m.type = 7;
		m.text[0] = 'w';
		SHOW(msgsnd(id, &m, 5000, 0));
		_exit(0);
	}
	await_sleep(pid);
	MUST(msgrcv(id, &m, 8192, 0, 0));
	reap(pid);
	SHOW(msgrcv(id, &m, 8192, 0, 0));
	SHOW(msgrcv(id, &m, 8192, 0, 0));
	say("from the waiting sender: %s\n", get_msg(8192, 0, 0));
	show("drained");

	// Receivers wait in order, each for its type.
	int report[2];
	MUST(pipe(report));
	pid_t pids[3];
	for (int i = 0; i < 3; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			ssize_t n = msgrcv(id, &m, 100, i == 1 ? 2 : 0, 0);
			char line[32];
			int length = snprintf(line, sizeof line, "%d got %ld/%zd;", i, m.type, n);
			MUST(write(report[1], line, (size_t)length));
			_exit(0);
		}
		await_sleep(pids[i]);
	}
	char line[64];
	static const long types[] = {2, 1, 2};
	for (int i = 0; i < 3; i++) {
		SHOW(put_msg(types[i], "m", 0));
		ssize_t n = read(report[0], line, sizeof line - 1);
		line[n < 0 ? 0 : n] = 0;
		say("%s\n", line);
	}
	for (int i = 0; i < 3; i++) reap(pids[i]);
	show("handed over");

	// Signals.
	struct sigaction action = {.sa_handler = nothing, .sa_flags = SA_RESTART};
	sigaction(SIGALRM, &action, NULL);
	ticks(10);
	say("signal: %s\n", get_msg(100, 0, 0));
	ticks(0);

	// MSG_COPY needs a kernel option: only what is refused anyway.
	say("copy without IPC_NOWAIT: %s\n", get_msg(100, 0, 040000));

	struct msqid_ds ds;
	MUST(msgctl(id, IPC_STAT, &ds));
	ds.msg_perm.mode = 0644;
	ds.msg_qbytes = 10;
	SHOW(msgctl(id, IPC_SET, &ds));
	show("set");
	SHOW(put_msg(1, "longer than ten", IPC_NOWAIT));
	SHOW(put_msg(1, "short", IPC_NOWAIT));
	child("other user", other_user);
	struct msginfo info;
	YES("limits", msgctl(0, IPC_INFO, (struct msqid_ds *)&info) >= 0);
	say("msgmax %d msgmnb %d\n", info.msgmax, info.msgmnb);
	say("%s\n", get_msg(100, 0, IPC_NOWAIT));

	// Removal wakes both kinds.
	pid = fork();
	if (pid == 0) {
		say("receiver: %s\n", get_msg(100, 0, 0));
		_exit(0);
	}
	await_sleep(pid);
	MUST(msgctl(id, IPC_RMID, NULL));
	reap(pid);
	SHOW(put_msg(1, "x", 0));
	id = msgget(IPC_PRIVATE, 0600);
	m.type = 1;
	MUST(msgsnd(id, &m, 8192, 0));
	MUST(msgsnd(id, &m, 8192, 0));
	pid = fork();
	if (pid == 0) {
		say("sender: %s\n", msgsnd(id, &m, 1, 0) == 0 ? "sent" : ename(errno));
		_exit(0);
	}
	await_sleep(pid);
	MUST(msgctl(id, IPC_RMID, NULL));
	reap(pid);
	return 0;
}

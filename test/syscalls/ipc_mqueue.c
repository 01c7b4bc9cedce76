// flags: -pthread
// POSIX message queues: attributes, priorities, blocking and its order, timeouts, notification, the file, errors.
#include "check.h"
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>

static mqd_t q;
static const char *NAME = "/tsvisor-check-mqueue";
static volatile sig_atomic_t signals, code, value;
static volatile pid_t sender;
static int report[2];

static const char *get(size_t size) {
	static char text[64];
	char buffer[128] = "";
	unsigned priority = 99;
	ssize_t n = mq_receive(q, buffer, size, &priority);
	if (n < 0) return ename(errno);
	snprintf(text, sizeof text, "%zd '%.20s' priority %u", n, buffer, priority);
	return text;
}

static int put_text(const char *text, unsigned priority) { return mq_send(q, text, strlen(text) + 1, priority); }

static void on_message(int sig, siginfo_t *info, void *context) {
	(void)sig;
	(void)context;
	signals++;
	code = info->si_code;
	value = info->si_value.sival_int;
	sender = info->si_pid;
}

static void from_thread(union sigval v) {
	char c = (char)v.sival_int;
	MUST(write(report[1], &c, 1));
}

static void show(const char *label) {
	struct mq_attr a;
	MUST(mq_getattr(q, &a));
	say("%s: flags %lo maxmsg %ld msgsize %ld curmsgs %ld\n", label, a.mq_flags, a.mq_maxmsg, a.mq_msgsize, a.mq_curmsgs);
}

static void other_user(void) {
	MUST(setgid(1));
	MUST(setuid(1));
	TRY(mq_open(NAME, O_RDWR));
	SHOW(mq_unlink(NAME));
	struct mq_attr large = {0, 100, 100, 0, {0}};
	TRY(mq_open("/tsvisor-check-large", O_RDWR | O_CREAT, 0600, &large));
}

int main(void) {
	mq_unlink(NAME);
	MUST(pipe(report));
	TRY(mq_open(NAME, O_RDWR));
	struct mq_attr attr = {0, 3, 32, 0, {0}}, bad = {0, 0, 32, 0, {0}}, negative = {0, 3, -1, 0, {0}};
	TRY(mq_open(NAME, O_RDWR | O_CREAT, 0600, &bad));
	TRY(mq_open(NAME, O_RDWR | O_CREAT, 0600, &negative));
	TRY(mq_open("noslash", O_RDWR | O_CREAT, 0600, NULL));
	TRY(mq_open("/", O_RDWR | O_CREAT, 0600, NULL));
	TRY(mq_open("/a/b", O_RDWR | O_CREAT, 0600, NULL));
	TRY(mq_open(NAME, 3 | O_CREAT, 0600, &attr));
	TRY(mq_open(NAME, 3 | O_CREAT, 0600, &attr));
	SHOW(mq_unlink(NAME));
	q = mq_open(NAME, O_RDWR | O_CREAT | O_EXCL, 0640, &attr);
	YES("made", q != (mqd_t)-1);
	TRY(mq_open(NAME, O_RDWR | O_CREAT | O_EXCL, 0640, &attr));
	SHOW(fcntl(q, F_GETFD));
	show("fresh");
	struct stat st;
	MUST(fstat(q, &st));
	say("mode %o size %ld\n", st.st_mode, (long)st.st_size);
	char line[128];
	ssize_t n = read(q, line, sizeof line - 1);
	line[n < 0 ? 0 : n] = 0;
	say("%s", line);
	child("other user", other_user);

	SHOW(put_text("low", 1));
	SHOW(put_text("high", 30));
	SHOW(put_text("low too", 1));
	show("full");
	struct mq_attr nonblock = {O_NONBLOCK, 0, 0, 0, {0}}, old;
	SHOW(mq_setattr(q, &nonblock, &old));
	SHOW(put_text("more", 2));
	struct pollfd p = {q, POLLIN | POLLOUT, 0};
	SHOW(poll(&p, 1, 0));
	SHOW(p.revents);
	say("%s\n", get(31));
	say("%s\n", get(128));
	say("%s\n", get(128));
	SHOW(poll(&p, 1, 0));
	SHOW(p.revents);
	say("%s\n", get(128));
	say("%s\n", get(128));
	SHOW(mq_send(q, line, 33, 0));
	SHOW(mq_send(q, line, 32, 32768));
	SHOW(mq_send(q, WILD, 5, 0));
	SHOW(mq_send(1, line, 5, 0));
	SHOW(mq_send(99, line, 5, 0));
	SHOW(mq_send(q, line, 0, 32767));
	say("%s\n", get(128));
	nonblock.mq_flags = 077;
	SHOW(mq_setattr(q, &nonblock, NULL));
	nonblock.mq_flags = 0;
	SHOW(mq_setattr(q, &nonblock, &old));
	say("was %lo\n", old.mq_flags);
	mqd_t reader = mq_open(NAME, O_RDONLY), writer = mq_open(NAME, O_WRONLY | O_NONBLOCK);
	SHOW(mq_send(reader, "x", 1, 0));
	SHOW(mq_receive(writer, line, 128, NULL));
	mq_close(reader);
	mq_close(writer);

	// Timeouts are absolute; an invalid one counts even where nothing waits.
	struct timespec past = {1, 0}, broken = {0, -1};
	SHOW(mq_timedreceive(q, line, 128, NULL, &past));
	SHOW(mq_timedreceive(q, line, 128, NULL, &broken));
	SHOW(mq_timedsend(q, "t", 2, 0, &past));
	say("%s\n", get(128));

	// Receivers are served in order, and senders.
	pid_t pids[3];
	for (int i = 0; i < 2; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			const char *text = get(128);
			char out[80];
			MUST(write(report[1], out, (size_t)snprintf(out, sizeof out, "%d: %s;", i, text)));
			_exit(0);
		}
		await_sleep(pids[i]);
	}
	for (int i = 0; i < 2; i++) {
		MUST(put_text(i == 0 ? "first" : "second", 0));
		n = read(report[0], line, sizeof line - 1);
		line[n] = 0;
		say("%s\n", line);
	}
	for (int i = 0; i < 2; i++) reap(pids[i]);
	for (int i = 0; i < 3; i++) MUST(put_text("fill", 5));
	for (int i = 0; i < 2; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			put_text(i == 0 ? "sender a" : "sender b", 5);
			_exit(0);
		}
		await_sleep(pids[i]);
	}
	for (int i = 0; i < 5; i++) say("%s\n", get(128));
	for (int i = 0; i < 2; i++) reap(pids[i]);

	// Notification.
	struct sigaction action = {.sa_sigaction = on_message, .sa_flags = SA_SIGINFO};
	sigaction(SIGUSR1, &action, NULL);
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value = {.sival_int = 77}};
	SHOW(mq_notify(q, &event));
	SHOW(mq_notify(q, &event));
	pid_t pid = fork();
	if (pid == 0) {
		SHOW(mq_notify(q, &event));
		put_text("n", 1);
		_exit(0);
	}
	reap(pid);
	while (signals == 0) sleep_ms(1);
	say("signals %d code %s value %d from the child: %s\n", (int)signals, code == SI_MESGQ ? "SI_MESGQ" : "other", (int)value, yes(sender == pid));
	SHOW(mq_notify(q, &event));
	MUST(put_text("not into an empty queue", 1));
	say("signals %d\n", (int)signals);
	SHOW(mq_notify(q, NULL));
	SHOW(mq_notify(q, &event));
	event.sigev_notify = 99;
	SHOW(mq_notify(q, NULL));
	SHOW(mq_notify(q, &event));
	say("%s\n", get(128));
	say("%s\n", get(128));
	event.sigev_notify = SIGEV_THREAD;
	event.sigev_notify_function = from_thread;
	event.sigev_value.sival_int = 'T';
	SHOW(mq_notify(q, &event));
	MUST(put_text("thread", 1));
	n = read(report[0], line, 1);
	say("told a thread: %c\n", line[0]);
	say("%s\n", get(128));

	// The name goes, the queue stays while it is open.
	SHOW(mq_unlink(NAME));
	SHOW(mq_unlink(NAME));
	SHOW(put_text("still", 0));
	say("%s\n", get(128));
	TRY(mq_open(NAME, O_RDWR));
	SHOW(mq_close(q));
	SHOW(mq_close(q));
	return 0;
}

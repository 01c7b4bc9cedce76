// siginfo_t for each kind of sender: kill, tgkill, sigqueue, timers, faults, alarm, pipes, children.
#include "check.h"

static volatile sig_atomic_t got;
static siginfo_t last;

static void handler(int sig, siginfo_t *info, void *context) {
	(void)context;
	last = *info;
	got = sig;
}

static const char *code_name(int code) {
	switch (code) {
	case SI_USER: return "SI_USER";
	case SI_TKILL: return "SI_TKILL";
	case SI_QUEUE: return "SI_QUEUE";
	case SI_TIMER: return "SI_TIMER";
	case SI_KERNEL: return "SI_KERNEL";
	default: return "?";
	}
}

static void show(const char *label) {
	for (int i = 0; i < 5000 && got == 0; i++) sleep_ms(1);
	say("%s: %s signo %s code %s errno %d", label, sname(got), sname(last.si_signo), code_name(last.si_code), last.si_errno);
	got = 0;
}

static const char *who(void) { return last.si_pid == getpid() ? "self" : last.si_pid == 0 ? "0" : "other"; }

int main(void) {
	struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};
	for (int sig = 1; sig < 65; sig++) {
		if (sig != SIGKILL && sig != SIGSTOP && sig != SIGCHLD && sig != 32 && sig != 33) sigaction(sig, &action, NULL);
	}
	kill(getpid(), SIGUSR1);
	show("kill");
	say(", pid %s uid %d\n", who(), (int)last.si_uid);
	syscall(SYS_tgkill, getpid(), gettid(), SIGUSR2);
	show("tgkill");
	say(", pid %s uid %d\n", who(), (int)last.si_uid);
	raise(SIGINT);
	show("raise");
	say(", pid %s\n", who());
	union sigval value = {.sival_ptr = (void *)0x123456789abcdef0};
	sigqueue(getpid(), SIGRTMIN, value);
	show("sigqueue");
	say(", pid %s uid %d value %lx\n", who(), (int)last.si_uid, (long)last.si_value.sival_ptr);
	sigqueue(getpid(), SIGHUP, value);
	show("sigqueue of a standard signal");
	say(", value %lx\n", (long)last.si_value.sival_ptr);
	pid_t parent = getpid(), pid = fork();
	if (pid == 0) {
		MUST(setresuid(0, 1234, 0));
		_exit(kill(parent, SIGUSR1) == 0 ? 0 : 1);
	}
	siginfo_t keep;
	show("kill from a child");
	keep = last;
	say(", pid %s uid %d\n", keep.si_pid == pid ? "child" : "other", (int)keep.si_uid);
	say("child: %s\n", wname(reap(pid)));
	struct itimerval timer = {{0, 0}, {0, 5000}};
	setitimer(ITIMER_REAL, &timer, NULL);
	show("setitimer");
	say(", pid %s\n", who());
	setitimer(ITIMER_VIRTUAL, &timer, NULL);
	while (got == 0) {
	}
	show("setitimer virtual");
	say("\n");
	setitimer(ITIMER_PROF, &timer, NULL);
	while (got == 0) {
	}
	show("setitimer prof");
	say("\n");
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 4, .sigev_value.sival_int = 4711};
	timer_t id;
	MUST(timer_create(CLOCK_MONOTONIC, &event, &id));
	struct itimerspec spec = {{0, 0}, {0, 5000000}};
	timer_settime(id, 0, &spec, NULL);
	show("timer_create");
	say(", value %d overrun %d\n", last.si_value.sival_int, last.si_overrun);
	int fds[2];
	MUST(pipe(fds));
	close(fds[0]);
	say("write: %s\n", write(fds[1], "x", 1) < 0 ? ename(errno) : "ok");
	show("SIGPIPE");
	say(", pid %s\n", who());
	// rt_sigqueueinfo lets a process forge siginfo for itself, and codes below 0 for others.
	siginfo_t forged;
	memset(&forged, 0, sizeof forged);
	forged.si_code = -42;
	forged.si_pid = 99999;
	forged.si_uid = 88888;
	SHOW(syscall(SYS_rt_sigqueueinfo, getpid(), SIGRTMIN + 1, &forged));
	for (int i = 0; i < 1000 && got == 0; i++) sleep_ms(1);
	say("forged: code %d pid %d uid %d\n", last.si_code, (int)last.si_pid, (int)last.si_uid);
	got = 0;
	forged.si_code = SI_USER;
	SHOW(syscall(SYS_rt_sigqueueinfo, getppid(), 0, &forged));
	SHOW(syscall(SYS_rt_sigqueueinfo, 4194303, SIGUSR1, &forged));
	SHOW(syscall(SYS_rt_sigqueueinfo, getpid(), 65, &forged));
	SHOW(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, WILD));
	forged.si_code = -1;
	SHOW(syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGRTMIN + 2, &forged));
	show("rt_tgsigqueueinfo");
	say("\n");
	return 0;
}

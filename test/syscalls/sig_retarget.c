// flags: -pthread
// timeout: 60
// A signal of the process whose thread blocks it, stops waiting for it or ends before taking it goes to another thread that takes it.
#include "handled.h"
#include <pthread.h>

static _Atomic int ready;

static void *sleeper(void *argument) {
	sigset_t none;
	sigemptyset(&none);
	pthread_sigmask(SIG_SETMASK, &none, NULL);
	ready++;
	for (;;) pause();
	return argument;
}

// Two timers end at once; the first of their signals ends the wait, the second is nobody's then but the other thread's.
static void waiting(void) {
	sigset_t both;
	sigemptyset(&both);
	sigaddset(&both, SIGUSR1);
	sigaddset(&both, SIGUSR2);
	int rounds = 0;
	for (; rounds < 20; rounds++) {
		timer_t timers[2];
		struct itimerspec in = {.it_value = {0, 0}};
		handled = 0;
		clock_gettime(CLOCK_MONOTONIC, &in.it_value);
		in.it_value.tv_nsec += 3000000;
		if (in.it_value.tv_nsec >= 1000000000) in.it_value.tv_nsec -= 1000000000, in.it_value.tv_sec++;
		for (int i = 0; i < 2; i++) {
			struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = i == 0 ? SIGUSR1 : SIGUSR2};
			MUST(timer_create(CLOCK_MONOTONIC, &event, &timers[i]));
			MUST(timer_settime(timers[i], TIMER_ABSTIME, &in, NULL));
		}
		// When it is late, the other thread has both.
		struct timespec most = {0, 100000000};
		sigtimedwait(&both, NULL, &most);
		wait_for(1);
		for (int i = 0; i < 2; i++) timer_delete(timers[i]);
		if (handled < 1) break;
	}
	YES("the other thread took the others", rounds == 20);
}

// This thread has the signal unblocked for moments only, in which it hardly ever takes it.
static void masking(void) {
	sigset_t one;
	sigemptyset(&one);
	sigaddset(&one, SIGUSR1);
	int fds[2];
	MUST(pipe(fds));
	handled = 0;
	pid_t parent = getpid(), pid = fork();
	if (pid == 0) {
		char c;
		close(fds[1]);
		while (read(fds[0], &c, 1) == 1) kill(parent, SIGUSR1);
		_exit(0);
	}
	close(fds[0]);
	int rounds = 0;
	for (; rounds < 500; rounds++) {
		if (write(fds[1], "", 1) != 1) die("write");
		for (int i = 0; i < 300 && handled <= rounds; i++) {
			pthread_sigmask(SIG_UNBLOCK, &one, NULL);
			pthread_sigmask(SIG_BLOCK, &one, NULL);
		}
		wait_for(rounds + 1);
		if (handled <= rounds) break;
	}
	close(fds[1]);
	say("masks: %d signals handled\n", rounds);
	reap(pid);
}

static void over(int sig) {
	(void)sig;
	_exit(7);
}

// The first thread ends while the signal comes.
static void ending(void) {
	int rounds = 0;
	for (; rounds < 50; rounds++) {
		int fds[2];
		char c;
		MUST(pipe(fds));
		pid_t pid = fork();
		if (pid == 0) {
			struct sigaction action = {.sa_handler = over};
			sigaction(SIGUSR1, &action, NULL);
			alarm(10);
			ready = 0;
			pthread_t t;
			pthread_create(&t, NULL, sleeper, NULL);
			while (ready < 1) sched_yield();
			sigset_t none;
			sigemptyset(&none);
			pthread_sigmask(SIG_SETMASK, &none, NULL);
			if (write(fds[1], "", 1) != 1) _exit(1);
			syscall(SYS_exit, 0);
		}
		MUST(read(fds[0], &c, 1));
		kill(pid, SIGUSR1);
		int status = reap(pid);
		close(fds[0]);
		close(fds[1]);
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 7) {
			say("%s\n", wname(status));
			break;
		}
	}
	say("ends: %d signals handled\n", rounds);
}

int main(void) {
	struct sigaction action = {.sa_handler = handler};
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGUSR2, &action, NULL);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	pthread_t t;
	pthread_create(&t, NULL, sleeper, NULL);
	while (ready < 1) sleep_ms(1);
	waiting();
	masking();
	ending();
	return 0;
}

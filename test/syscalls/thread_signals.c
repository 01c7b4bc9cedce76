// flags: -pthread
// Signals and threads: pthread_kill, masks of their own, a process signal goes to a thread that takes it, tgkill errors, sigwait.
#include "handled.h"
#include <pthread.h>

static _Atomic int ready;
static _Atomic pid_t tid_of[2];

static void *unblocked(void *argument) {
	sigset_t none;
	sigemptyset(&none);
	pthread_sigmask(SIG_SETMASK, &none, NULL);
	tid_of[(intptr_t)argument] = gettid();
	ready++;
	for (;;) sigsuspend(&none);
	return NULL;
}

static void *sigwaiter(void *argument) {
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	ready++;
	int sig = 0;
	sigwait(&set, &sig);
	*(int *)argument = sig;
	return NULL;
}

static void *show_mask(void *argument) {
	(void)argument;
	sigset_t mask, pending;
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	sigpending(&pending);
	say("new thread: inherited mask %s, own pending %s\n", yes(sigismember(&mask, SIGUSR1) == 1), yes(sigismember(&pending, SIGHUP) == 1));
	return NULL;
}

int main(void) {
	struct sigaction action = {.sa_handler = handler};
	sigaction(SIGUSR1, &action, NULL);
	sigset_t set, pending;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	// A signal for one thread is pending for that thread alone.
	pthread_kill(pthread_self(), SIGHUP);
	pthread_t thread, threads[2];
	pthread_create(&thread, NULL, show_mask, NULL);
	pthread_join(thread, NULL);
	sigpending(&pending);
	YES("pending for the main thread", sigismember(&pending, SIGHUP) == 1);
	// Process-directed: the only thread that does not block it runs the handler.
	pthread_create(&threads[0], NULL, unblocked, (void *)0);
	while (ready < 1) sched_yield();
	kill(getpid(), SIGUSR1);
	wait_for(1);
	YES("handled by the thread that does not block it", handled == 1 && handled_by == tid_of[0]);
	pthread_create(&threads[1], NULL, unblocked, (void *)1);
	while (ready < 2) sched_yield();
	pthread_kill(threads[1], SIGUSR1);
	wait_for(2);
	YES("pthread_kill reaches its thread", handled == 2 && handled_by == tid_of[1]);
	syscall(SYS_tgkill, getpid(), tid_of[0], SIGUSR1);
	wait_for(3);
	YES("tgkill reaches its thread", handled == 3 && handled_by == tid_of[0]);
	syscall(SYS_tkill, tid_of[1], SIGUSR1);
	wait_for(4);
	YES("tkill reaches its thread", handled == 4 && handled_by == tid_of[1]);
	// sigwait takes a process-directed signal that every thread blocks.
	int got = 0;
	pthread_create(&thread, NULL, sigwaiter, &got);
	sigset_t all;
	while (ready < 3) sched_yield();
	sigfillset(&all);
	pthread_kill(thread, SIGUSR2);
	pthread_join(thread, NULL);
	say("sigwait: %s\n", sname(got));
	SHOW(syscall(SYS_tgkill, getpid(), 0, SIGUSR1));
	SHOW(syscall(SYS_tgkill, -1, gettid(), SIGUSR1));
	SHOW(syscall(SYS_tgkill, getpid(), gettid(), 65));
	SHOW(syscall(SYS_tgkill, getpid(), gettid(), 0));
	SHOW(syscall(SYS_tgkill, getppid(), gettid(), 0));
	SHOW(syscall(SYS_tgkill, getpid(), 4194303, 0));
	SHOW(syscall(SYS_tkill, 0, SIGUSR1));
	SHOW(syscall(SYS_tkill, 4194303, SIGUSR1));
	// A default action that ends the process ends all threads.
	pid_t pid = fork();
	if (pid == 0) {
		handled = 0;
		ready = 0;
		pthread_create(&threads[0], NULL, unblocked, (void *)0);
		while (ready < 1) sched_yield();
		syscall(SYS_tgkill, getpid(), tid_of[0], SIGTERM);
		for (;;) pause();
	}
	say("SIGTERM at one thread: %s\n", wname(reap(pid)));
	return 0;
}

// flags: -pthread
// System V semaphores: values, blocking and its order, SEM_UNDO, timeouts, signals, removal, errors.
#include "check.h"
#include <pthread.h>
#include <grp.h>
#include <sys/ipc.h>
#include <sys/sem.h>

union semun {
	int val;
	struct semid_ds *buf;
	unsigned short *array;
	struct seminfo *info;
};

static int id;
static int report[2];

static int op1(int num, int op, int flags) {
	struct sembuf b = {(unsigned short)num, (short)op, (short)flags};
	return semop(id, &b, 1);
}

static void show(const char *label) {
	unsigned short v[3];
	union semun u = {.array = v};
	if (semctl(id, 0, GETALL, u) < 0) say("%s: %s\n", label, ename(errno));
	else say("%s: %d %d %d\n", label, v[0], v[1], v[2]);
}

static void set(int num, int value) {
	union semun u = {.val = value};
	MUST(semctl(id, num, SETVAL, u));
}

// Until so many wait at a semaphore.
static void await(int num, int cmd, int n) {
	while (semctl(id, num, cmd) != n) sleep_ms(1);
}

static void tell(char c) { MUST(write(report[1], &c, 1)); }

static char heard(void) {
	char c;
	MUST(read(report[0], &c, 1));
	return c;
}

static void takes_with_undo(void) {
	op1(0, -2, SEM_UNDO);
	op1(1, 3, SEM_UNDO);
	show("in the child");
	_exit(0);
}

static void other_user(void) {
	MUST(setgroups(0, NULL));
	MUST(setgid(1));
	MUST(setuid(1));
	SHOW(op1(0, 1, 0));
	SHOW(op1(0, 0, IPC_NOWAIT));
	SHOW(semctl(id, 0, GETVAL));
	SHOW(semctl(id, 0, SETVAL, 1));
	SHOW(semctl(id, 0, IPC_RMID));
}

static void *thread_undo(void *arg) {
	(void)arg;
	op1(2, 1, SEM_UNDO);
	return NULL;
}

static void with_threads(void) {
	pthread_t thread;
	pthread_create(&thread, NULL, thread_undo, NULL);
	pthread_join(thread, NULL);
	show("after the thread");
	_exit(0);
}

static void nothing(int sig) { (void)sig; }

int main(void) {
	const key_t key = 0x5eed02;
	int old = semget(key, 0, 0);
	if (old >= 0) semctl(old, 0, IPC_RMID);
	MUST(pipe(report));
	SHOW(semget(key, 3, 0));
	SHOW(semget(key, 0, IPC_CREAT | 0600));
	SHOW(semget(key, -1, IPC_CREAT | 0600));
	SHOW(semget(key, 100000, IPC_CREAT | 0600));
	id = semget(key, 3, IPC_CREAT | 0600);
	YES("made", id >= 0);
	YES("found", semget(key, 2, 0) == id);
	SHOW(semget(key, 4, 0));
	SHOW(semget(key, 3, IPC_CREAT | IPC_EXCL));
	show("fresh");

	SHOW(op1(0, 5, 0));
	SHOW(op1(0, -2, 0));
	SHOW(op1(0, -4, IPC_NOWAIT));
	SHOW(op1(0, 0, IPC_NOWAIT));
	SHOW(op1(1, 0, IPC_NOWAIT));
	SHOW(op1(3, 1, 0));
	SHOW(op1(0, 32767, 0));
	show("values");
	YES("I was last", semctl(id, 0, GETPID) == getpid());
	SHOW(semctl(id, 2, GETPID));
	struct sembuf atomic[3] = {{1, 1, 0}, {0, -3, 0}, {2, -1, IPC_NOWAIT}};
	SHOW(semop(id, atomic, 3));
	show("all or nothing");
	atomic[2].sem_op = 2;
	SHOW(semop(id, atomic, 3));
	show("all");
	struct sembuf same[3] = {{2, -2, 0}, {2, 0, 0}, {2, 7, 0}};
	SHOW(semop(id, same, 3));
	show("one after the other");

	// Blocking: first come, first served.
	set(0, 0);
	pid_t pids[3];
	for (int i = 0; i < 3; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			op1(0, i == 0 ? -2 : -1, 0);
			tell((char)('a' + i));
			_exit(0);
		}
		await(0, GETNCNT, i + 1);
	}
	SHOW(semctl(id, 0, GETNCNT));
	SHOW(semctl(id, 0, GETZCNT));
	MUST(op1(0, 1, 0));
	say("1 lets %c go on\n", heard());
	MUST(op1(0, 1, 0));
	say("1 more lets %c go on\n", heard());
	MUST(op1(0, 2, 0));
	say("2 let %c go on\n", heard());
	for (int i = 0; i < 3; i++) reap(pids[i]);
	show("drained");

	// Waiting for zero.
	set(1, 2);
	pid_t pid = fork();
	if (pid == 0) {
		op1(1, 0, 0);
		tell('z');
		_exit(0);
	}
	await(1, GETZCNT, 1);
	MUST(op1(1, -1, 0));
	SHOW(semctl(id, 1, GETZCNT));
	MUST(op1(1, -1, 0));
	say("zero: %c\n", heard());
	reap(pid);

	// Undo.
	set(0, 5);
	set(1, 0);
	set(2, 0);
	child("undo", takes_with_undo);
	show("undone");
	child("threads", with_threads);
	show("undone with the process");
	pid = fork();
	if (pid == 0) {
		op1(0, -1, SEM_UNDO);
		op1(1, 10, SEM_UNDO);
		tell('u');
		pause();
		_exit(0);
	}
	heard();
	set(0, 1);
	MUST(op1(1, -8, 0));
	show("before its death");
	kill(pid, SIGKILL);
	reap(pid);
	show("a set value is not undone, none falls below zero");
	set(1, 0);
	SHOW(op1(1, 32767, SEM_UNDO));
	SHOW(op1(1, -32767, 0));
	SHOW(op1(1, 2, SEM_UNDO));
	set(1, 0);

	// Timeouts and signals.
	struct timespec soon = {0, 20000000}, bad = {0, 1000000000}, none = {0, 0};
	struct sembuf take = {2, -100, 0};
	SHOW(semtimedop(id, &take, 1, &soon));
	SHOW(semtimedop(id, &take, 1, &none));
	SHOW(semtimedop(id, &take, 1, &bad));
	SHOW(syscall(SYS_semtimedop, id, &take, 1, WILD));
	struct sigaction action = {.sa_handler = nothing, .sa_flags = SA_RESTART};
	sigaction(SIGALRM, &action, NULL);
	ticks(10);
	SHOW(semop(id, &take, 1));
	ticks(0);
	SHOW(semctl(id, 2, GETNCNT));

	// Errors.
	SHOW(semop(id, &take, 0));
	SHOW(semop(id, WILD, 1));
	SHOW(semop(id, &take, 501));
	SHOW(semop(-1, &take, 1));
	SHOW(semop(0x7fff0000, &take, 1));
	SHOW(semctl(id, 0, SETVAL, -1));
	SHOW(semctl(id, 0, SETVAL, 32768));
	SHOW(semctl(id, 3, SETVAL, 1));
	SHOW(semctl(id, 3, GETVAL));
	SHOW(semctl(id, -1, GETVAL));
	SHOW(semctl(id, 0, 77));
	SHOW(semctl(-1, 0, GETVAL));
	SHOW(semctl(id, 0, GETALL, WILD));
	unsigned short values[3] = {1, 2, 3};
	SHOW(semctl(id, 0, SETALL, values));
	show("all set");
	values[1] = 40000;
	SHOW(semctl(id, 0, SETALL, values));
	struct semid_ds ds;
	MUST(semctl(id, 0, IPC_STAT, &ds));
	say("nsems %lu mode %o otime %s\n", (unsigned long)ds.sem_nsems, ds.sem_perm.mode, yes(ds.sem_otime != 0));
	ds.sem_perm.mode = 0644;
	SHOW(semctl(id, 0, IPC_SET, &ds));
	child("other user", other_user);
	struct seminfo info;
	YES("limits", semctl(0, 0, IPC_INFO, &info) >= 0);
	say("semmni %d semmsl %d semopm %d semvmx %d\n", info.semmni, info.semmsl, info.semopm, info.semvmx);

	// Removal wakes who waits.
	pid = fork();
	if (pid == 0) {
		SHOW(op1(2, -1000, 0));
		_exit(0);
	}
	await(2, GETNCNT, 1);
	MUST(semctl(id, 0, IPC_RMID));
	reap(pid);
	SHOW(op1(0, 1, 0));
	return 0;
}

// System V shared memory, semaphores and message queues; POSIX message queues.
#include "interp.h"
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

// Numbers of objects belong to one run: sequences name them by the slot they are in, or the key.
static key_t key_of(long key) { return key == 0 ? IPC_PRIVATE : (key_t)(0x7000 + (key & 7)); }
static volatile int *ipc_slot(int kind, long slot) { return &output->ipc[kind][slot & (IPC_SLOTS - 1)]; }
// Keeps the object in the slot; says which slot has had it before.
static void ipc_got(int kind, long slot, int id) {
	if (id == -1) {
		result(-1);
		return;
	}
	int same = 0;
	while (same < IPC_SLOTS && output->ipc[kind][same] != id + 1) same++;
	*ipc_slot(kind, slot) = id + 1;
	if (same < IPC_SLOTS) say("as %d\n", same);
	else say("new\n");
}
static int ipc_id(int kind, long slot) { return *ipc_slot(kind, slot) - 1; }
static void say_perm(const struct ipc_perm *perm) {
	say("mode=%o owner=%d:%d by=%d:%d", perm->mode, (int)perm->uid, (int)perm->gid, (int)perm->cuid, (int)perm->cgid);
}
static const char *whose(pid_t pid) { return pid == 0 ? "none" : pid == getpid() ? "own" : "other"; }

// shmget SLOT KEY SIZE FLAGS
static void op_shmget(struct op *op) { ipc_got(0, ARG(0), shmget(key_of(ARG(1)), (size_t)ARG(2), FD(3) & ~(SHM_HUGETLB | SHM_NORESERVE))); }
// shmat SLOT PAGE OFFSET FLAGS: always at a place of the arena.
static void op_shmat(struct op *op) {
	void *at = shmat(ipc_id(0, ARG(0)), arena(ARG(1), ARG(2)), FD(3));
	unknown_mappings(ARG(1));
	if (at == (void *)-1) result(-1);
	else say("page %ld\n", ((char *)at - arena(0, 0)) / PAGE);
}
static void op_shmdt(struct op *op) {
	unknown_mappings(ARG(0));
	result(shmdt(arena(ARG(0), ARG(1))));
}
// shmctl SLOT COMMAND MODE UID
static void op_shmctl(struct op *op) {
	struct shmid_ds ds = {.shm_perm = {.mode = (unsigned short)ARG(2), .uid = (uid_t)ARG(3), .gid = 0}};
	if (FD(1) >= SHM_STAT) {
		say("no\n");
		return;
	}
	int value = shmctl(ipc_id(0, ARG(0)), FD(1), &ds);
	if (value == 0 && FD(1) == IPC_STAT) {
		say_perm(&ds.shm_perm);
		say(" size=%ld attached=%ld by=%s last=%s times=%d%d%d\n", (long)ds.shm_segsz, (long)ds.shm_nattch, whose(ds.shm_cpid), whose(ds.shm_lpid),
		    ds.shm_atime != 0, ds.shm_dtime != 0, ds.shm_ctime != 0);
	} else result(value);
}

// semget SLOT KEY COUNT FLAGS
static void op_semget(struct op *op) { ipc_got(1, ARG(0), semget(key_of(ARG(1)), FD(2), FD(3))); }
// semop SLOT (NUMBER CHANGE FLAGS)...
static void op_semop(struct op *op) {
	struct sembuf ops[3];
	int count = 0;
	for (int i = 1; i + 2 < op->count - 1 && count < 3; i += 3, count++) {
		ops[count].sem_num = (unsigned short)ARG(i);
		ops[count].sem_op = (short)ARG(i + 1);
		ops[count].sem_flg = (short)(FD(i + 2) | IPC_NOWAIT);
	}
	result(semop(ipc_id(1, ARG(0)), ops, (size_t)count));
}
// semctl SLOT NUMBER COMMAND VALUE MODE UID
static void op_semctl(struct op *op) {
	int command = FD(2), id = ipc_id(1, ARG(0));
	unsigned short values[300];
	struct semid_ds ds = {.sem_perm = {.mode = (unsigned short)ARG(4), .uid = (uid_t)ARG(5), .gid = 0}};
	union {
		int val;
		struct semid_ds *buf;
		unsigned short *array;
	} arg = {.val = FD(3)};
	for (size_t i = 0; i < COUNT(values); i++) values[i] = (unsigned short)(ARG(3) + (long)i);
	if (command >= SEM_STAT) {
		say("no\n");
		return;
	}
	if (command == IPC_STAT || command == IPC_SET) arg.buf = &ds;
	if (command == GETALL || command == SETALL) arg.array = values;
	int value = semctl(id, FD(1), command, arg);
	if (value == -1) result(-1);
	else if (command == GETPID) say("%s\n", whose(value));
	else if (command == IPC_STAT) {
		say_perm(&ds.sem_perm);
		say(" count=%ld times=%d%d\n", (long)ds.sem_nsems, ds.sem_otime != 0, ds.sem_ctime != 0);
	} else if (command == GETALL) say("%d %08x\n", value, checksum(values, sizeof values));
	else result(value);
}

// msgget SLOT KEY FLAGS
static void op_msgget(struct op *op) { ipc_got(2, ARG(0), msgget(key_of(ARG(1)), FD(2))); }
struct message {
	long type;
	unsigned char text[8192];
};
static struct message message;
static size_t message_length(long length) { return length > 8192 ? 8193 : (size_t)length; }
// msgsnd SLOT TYPE LENGTH FLAGS SEED
static void op_msgsnd(struct op *op) {
	message.type = ARG(1);
	fill(message.text, sizeof message.text, ARG(4));
	result(msgsnd(ipc_id(2, ARG(0)), &message, message_length(ARG(2)), FD(3) | IPC_NOWAIT));
}
// msgrcv SLOT LENGTH TYPE FLAGS
static void op_msgrcv(struct op *op) {
	memset(&message, 0, sizeof message);
	long got = msgrcv(ipc_id(2, ARG(0)), &message, message_length(ARG(1)), ARG(2), FD(3) | IPC_NOWAIT);
	if (got >= 0) say("type=%ld ", message.type);
	result_bytes(got, message.text);
}
// msgctl SLOT COMMAND BYTES MODE UID
static void op_msgctl(struct op *op) {
	struct msqid_ds ds = {.msg_qbytes = (msglen_t)ARG(2), .msg_perm = {.mode = (unsigned short)ARG(3), .uid = (uid_t)ARG(4), .gid = 0}};
	if (FD(1) >= MSG_STAT || FD(1) == 3) {
		say("no\n");
		return;
	}
	int value = msgctl(ipc_id(2, ARG(0)), FD(1), &ds);
	if (value == 0 && FD(1) == IPC_STAT) {
		say_perm(&ds.msg_perm);
		say(" messages=%ld bytes=%ld most=%ld sender=%s receiver=%s times=%d%d%d\n", (long)ds.msg_qnum, (long)ds.msg_cbytes, (long)ds.msg_qbytes,
		    whose(ds.msg_lspid), whose(ds.msg_lrpid), ds.msg_stime != 0, ds.msg_rtime != 0, ds.msg_ctime != 0);
	} else result(value);
}

// POSIX message queues: names are one letter.
static void op_mqopen(struct op *op) {
	// name, flags, mode, messages, size
	struct mq_attr attr = {.mq_maxmsg = ARG(3), .mq_msgsize = ARG(4)};
	result(syscall(SYS_mq_open, PATH(0), FD(1) | O_NONBLOCK, (mode_t)ARG(2), ARG(3) == 0 ? NULL : &attr));
}
static void op_mqunlink(struct op *op) { result(syscall(SYS_mq_unlink, PATH(0))); }
static void op_mqsend(struct op *op) {
	// fd, length, priority, seed
	fill(buffer, clip(ARG(1)), ARG(3));
	result(syscall(SYS_mq_timedsend, FD(0), buffer, clip(ARG(1)), (unsigned)ARG(2), NULL));
}
static void op_mqreceive(struct op *op) {
	unsigned priority = 77;
	long got = syscall(SYS_mq_timedreceive, FD(0), buffer, clip(ARG(1)), &priority, NULL);
	if (got >= 0) say("priority=%u ", priority);
	result_bytes(got, buffer);
}
static void op_mqattr(struct op *op) {
	// fd, whether to set, flags
	struct mq_attr new = {.mq_flags = ARG(2) | O_NONBLOCK}, old;
	memset(&old, 0, sizeof old);
	long value = syscall(SYS_mq_getsetattr, FD(0), ARG(1) ? &new : NULL, &old);
	if (value == 0) say("flags=%lo most=%ld size=%ld has=%ld ", old.mq_flags, old.mq_maxmsg, old.mq_msgsize, old.mq_curmsgs);
	result(value);
}
static void op_mqnotify(struct op *op) {
	// fd, kind (-1: none), signal
	struct sigevent event = {.sigev_notify = FD(1), .sigev_signo = FD(2), .sigev_value = {.sival_int = 5}};
	if (FD(1) == SIGEV_THREAD || !is_sendable(FD(2))) say("no\n");
	else result(syscall(SYS_mq_notify, FD(0), FD(1) == -1 ? NULL : &event));
}

// Takes away what a sequence has left.
static void remove_ipc(void) {
	struct shmid_ds shm;
	struct semid_ds sem;
	struct msqid_ds msg;
	for (int most = shmctl(0, SHM_INFO, &shm), i = 0; i <= most; i++) {
		int id = shmctl(i, SHM_STAT, &shm);
		if (id >= 0) shmctl(id, IPC_RMID, NULL);
	}
	for (int most = semctl(0, 0, SEM_INFO, &sem), i = 0; i <= most; i++) {
		int id = semctl(i, 0, SEM_STAT, &sem);
		if (id >= 0) semctl(id, 0, IPC_RMID);
	}
	for (int most = msgctl(0, MSG_INFO, &msg), i = 0; i <= most; i++) {
		int id = msgctl(i, MSG_STAT, &msg);
		if (id >= 0) msgctl(id, IPC_RMID, NULL);
	}
	char name[2] = "a";
	for (; name[0] <= 'e'; name[0]++) syscall(SYS_mq_unlink, name);
	for (int kind = 0; kind < 3; kind++) {
		for (int i = 0; i < IPC_SLOTS; i++) output->ipc[kind][i] = 0;
	}
}

// System V shared memory: creation, attaching, coherence, fork, removal, permissions, limits, errors.
#include "check.h"

#include <grp.h>
#include <sys/ipc.h>
#include <sys/resource.h>
#include <sys/shm.h>

static int id;
static char *shared;

static void child_writes(void) {
	shared[1] = 'c';
	struct shmid_ds ds;
	MUST(shmctl(id, IPC_STAT, &ds));
	say("in the child: attached %lu\n", (unsigned long)ds.shm_nattch);
	MUST(shmdt(shared));
	SHOW(shmctl(id, IPC_STAT, &ds));
	say("after shmdt: attached %lu\n", (unsigned long)ds.shm_nattch);
}

static void other_user(void) {
	MUST(setgroups(0, NULL));
	MUST(setgid(1));
	MUST(setuid(1));
	TRY(shmat(id, NULL, 0));
	TRY(shmat(id, NULL, SHM_RDONLY));
	struct shmid_ds ds;
	SHOW(shmctl(id, IPC_STAT, &ds));
	SHOW(shmctl(id, IPC_SET, &ds));
	SHOW(shmctl(id, IPC_RMID, NULL));
	TRY(shmget(0x5eed01, 100, 0));
	TRY(shmget(0x5eed01, 100, 0600));
	TRY(shmget(0x5eed01, 100, 0004));
}

// What a user may lock: RLIMIT_MEMLOCK for all of his segments together.
static void locking(void) {
	struct rlimit limit = {64 << 10, 64 << 10};
	MUST(setrlimit(RLIMIT_MEMLOCK, &limit));
	MUST(setgroups(0, NULL));
	MUST(setuid(4321));
	int small = shmget(IPC_PRIVATE, 1, 0600), large = shmget(IPC_PRIVATE, 64 << 10, 0600);
	SHOW(shmctl(small, SHM_LOCK, NULL));
	SHOW(shmctl(large, SHM_LOCK, NULL));
	SHOW(shmctl(small, SHM_LOCK, NULL));
	SHOW(shmctl(small, SHM_UNLOCK, NULL));
	SHOW(shmctl(large, SHM_LOCK, NULL));
	SHOW(shmctl(small, SHM_LOCK, NULL));
	MUST(shmctl(large, IPC_RMID, NULL));
	SHOW(shmctl(small, SHM_LOCK, NULL));
	MUST(shmctl(small, IPC_RMID, NULL));
}

static void show(const char *label) {
	struct shmid_ds ds;
	if (shmctl(id, IPC_STAT, &ds) < 0) {
		say("%s: %s\n", label, ename(errno));
		return;
	}
	say("%s: size %zu mode %o attached %lu key %x cpid %s lpid %s\n", label, ds.shm_segsz, ds.shm_perm.mode, (unsigned long)ds.shm_nattch,
		(unsigned)ds.shm_perm.__key, ds.shm_cpid == getpid() ? "me" : "other", ds.shm_lpid == getpid() ? "me" : ds.shm_lpid == 0 ? "none" : "other");
}

int main(void) {
	const key_t key = 0x5eed01;
	int old = shmget(key, 0, 0);
	if (old >= 0) shmctl(old, IPC_RMID, NULL);
	SHOW(shmget(key, 5000, 0));
	SHOW(shmget(key, 0, IPC_CREAT | 0600));
	id = shmget(key, 5000, IPC_CREAT | 0640);
	YES("made", id >= 0);
	show("fresh");
	YES("found", shmget(key, 0, 0) == id);
	YES("found by a smaller size", shmget(key, 4096, 0) == id);
	SHOW(shmget(key, 5001, 0));
	SHOW(shmget(key, 5000, IPC_CREAT | IPC_EXCL));
	SHOW(shmget(IPC_PRIVATE, (size_t)-1, 0600));
	SHOW(shmget(IPC_PRIVATE, (size_t)1 << 60, 0600));
	SHOW(shmget(IPC_PRIVATE, (size_t)1 << 52, 0600));
	YES("private is another", shmget(IPC_PRIVATE, 1, 0600) != id);

	shared = shmat(id, NULL, 0);
	YES("attached", shared != (void *)-1);
	show("attached once");
	YES("zeroed", shared[0] == 0 && shared[8191] == 0);
	char *again = shmat(id, NULL, 0);
	YES("elsewhere", again != shared);
	shared[0] = 'a';
	YES("coherent", again[0] == 'a');
	char *read_only = shmat(id, NULL, SHM_RDONLY);
	YES("readable", read_only[0] == 'a');
	say("write to read-only: %s\n", probe('w', read_only));
	SHOW(mprotect(read_only, 4096, PROT_READ | PROT_WRITE));
	say("past the end: %s\n", probe('r', read_only + 8191));
	show("attached three times");
	child("child", child_writes);
	YES("the child's write is seen", shared[1] == 'c');
	show("after the child");

	// The interface to mprotect, mremap and munmap: parts of an attachment.
	MUST(mprotect(again, 4096, PROT_READ));
	show("split");
	MUST(munmap(again + 4096, 4096));
	show("half unmapped");
	SHOW(shmdt(again));
	show("the rest detached");
	SHOW(shmdt(again));
	SHOW(shmdt(again + 1));
	SHOW(shmdt(read_only));
	show("one left");

	// Fixed addresses.
	char *room = anon(5 * PAGE);
	TRY(shmat(id, room, 0));
	TRY(shmat(id, room + 1, 0));
	YES("remapped", shmat(id, room, SHM_REMAP) == room);
	YES("content", room[0] == 'a');
	MUST(shmdt(room));
	YES("where nothing is", shmat(id, room, 0) == room);
	MUST(shmdt(room));
	YES("rounded down", shmat(id, room + 17, SHM_RND) == room);
	MUST(shmdt(room));
	TRY(shmat(id, NULL, SHM_REMAP));
	TRY(shmat(-1, NULL, 0));
	TRY(shmat(0x7fff0000, NULL, 0));

	// Changing.
	struct shmid_ds ds;
	MUST(shmctl(id, IPC_STAT, &ds));
	ds.shm_perm.mode = 0604;
	SHOW(shmctl(id, IPC_SET, &ds));
	show("mode set");
	child("other user", other_user);
	child("locking", locking);
	SHOW(shmctl(id, SHM_LOCK, NULL));
	show("locked");
	SHOW(shmctl(id, SHM_UNLOCK, NULL));
	SHOW(shmctl(id, IPC_STAT, WILD));
	SHOW(shmctl(id, IPC_SET, WILD));
	SHOW(shmctl(id, 99, &ds));
	SHOW(shmctl(id, -1, &ds));
	SHOW(shmctl(-1, IPC_STAT, &ds));
	struct shminfo info;
	YES("limits", shmctl(0, IPC_INFO, (struct shmid_ds *)&info) >= 0);
	say("shmmin %lu shmmni %lu shmmax %lx\n", info.shmmin, info.shmmni, info.shmmax);
	struct shm_info used;
	int highest = shmctl(0, SHM_INFO, (struct shmid_ds *)&used);
	YES("in use", highest >= 0 && used.used_ids >= 2);
	int seen = 0;
	for (int i = 0; i <= highest; i++) if (shmctl(i, SHM_STAT, &ds) == id) seen++;
	say("seen %d\n", seen);

	// Removal with an attachment left.
	SHOW(shmctl(id, IPC_RMID, NULL));
	show("removed");
	SHOW(shmget(key, 0, 0));
	YES("still there", shared[0] == 'a');
	again = shmat(id, NULL, 0);
	YES("attached although removed", again != (void *)-1 && again[0] == 'a');
	MUST(shmdt(again));
	MUST(shmdt(shared));
	show("gone");
	TRY(shmat(id, NULL, 0));

	// exit and execve detach.
	id = shmget(IPC_PRIVATE, 4096, 0600);
	pid_t pid = fork();
	if (pid == 0) {
		shared = shmat(id, NULL, 0);
		_exit(shared == (void *)-1);
	}
	say("child %s\n", wname(reap(pid)));
	show("after exit");
	MUST(shmctl(id, IPC_RMID, NULL));
	show("removed unattached");
	SHOW(shmctl(id, IPC_RMID, NULL));

	// Many, and their identifiers are not used again at once.
	int first = shmget(IPC_PRIVATE, 1, 0600);
	MUST(shmctl(first, IPC_RMID, NULL));
	int second = shmget(IPC_PRIVATE, 1, 0600);
	YES("a new identifier", first != second);
	MUST(shmctl(second, IPC_RMID, NULL));
	// Leave nothing behind on the host.
	for (int i = 0; i <= highest + 8; i++) {
		int left = shmctl(i, SHM_STAT, &ds);
		if (left >= 0 && ds.shm_cpid == getpid()) shmctl(left, IPC_RMID, NULL);
	}
	return 0;
}

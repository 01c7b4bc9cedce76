// personality(2): what each flag does, that threads have their own, what execve keeps, who may look.
// flags: -pthread
#include "check.h"
#include <pthread.h>
#include <sys/ipc.h>
#include <sys/personality.h>
#include <sys/select.h>
#include <sys/shm.h>
#include <sys/utsname.h>

// Permissions of the mapping that has `address`.
static const char *permissions(const void *address) {
	static char found[8];
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512], perms[8];
	unsigned long from, to;
	strcpy(found, "none");
	while (fgets(line, sizeof line, f)) {
		if (sscanf(line, "%lx-%lx %4s", &from, &to, perms) == 3 && from <= (unsigned long)address && (unsigned long)address < to) strcpy(found, perms);
	}
	fclose(f);
	return found;
}

static void names(void) {
	struct utsname plain, u;
	MUST(uname(&plain));
	personality(UNAME26);
	MUST(uname(&u));
	say("release %.4s\n", u.release);
	YES("the rest follows", strcmp(u.release + strcspn(u.release, "-"), plain.release + strspn(plain.release, "0123456789.")) == 0);
	personality(PER_LINUX32);
	MUST(uname(&u));
	say("machine %s\n", u.machine);
	personality(PER_LINUX);
	MUST(uname(&u));
	YES("back", strcmp(u.machine, plain.machine) == 0 && strcmp(u.release, plain.release) == 0);
}

static void reading_is_executing(void) {
	personality(READ_IMPLIES_EXEC);
	char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	say("mmap %s\n", permissions(p));
	char *w = mmap(NULL, PAGE, PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	say("without PROT_READ %s\n", permissions(w));
	MUST(mprotect(p, PAGE, PROT_READ));
	say("mprotect %s\n", permissions(p));
	*(volatile unsigned char *)w = 0xc3;
	MUST(mprotect(w, PAGE, PROT_READ));
	say("call %s\n", probe('x', w));
	int fd = open("file", O_RDWR | O_CREAT, 0600);
	MUST(ftruncate(fd, PAGE));
	p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	say("file %s\n", permissions(p));
	int id = shmget(IPC_PRIVATE, PAGE, IPC_CREAT | 0600);
	p = shmat(id, NULL, 0);
	say("segment %s\n", permissions(p));
	shmctl(id, IPC_RMID, NULL);
	char *end = sbrk(8 * PAGE);
	say("brk %s\n", permissions(end + 4 * PAGE));
	personality(PER_LINUX);
	p = anon(PAGE);
	say("afterwards %s\n", permissions(p));
}

static void timeouts(void) {
	struct timeval t = {0, 10000};
	SHOW(select(0, NULL, NULL, NULL, &t));
	say("time left %ld\n", (long)t.tv_usec);
	personality(STICKY_TIMEOUTS);
	t.tv_usec = 10000;
	SHOW(select(0, NULL, NULL, NULL, &t));
	say("time left %ld\n", (long)t.tv_usec);
	struct timespec s = {0, 10000000};
	SHOW(syscall(SYS_ppoll, NULL, 0, &s, NULL, 8));
	say("time left %ld\n", (long)s.tv_nsec);
	SHOW(syscall(SYS_pselect6, 0, NULL, NULL, NULL, &s, NULL));
	say("time left %ld\n", (long)s.tv_nsec);
}

static void *in_thread(void *arg) {
	(void)arg;
	say("thread has %#x\n", personality(0xffffffff));
	personality(SHORT_INODE | WHOLE_SECONDS);
	char path[64];
	snprintf(path, sizeof path, "/proc/self/task/%ld/personality", syscall(SYS_gettid));
	say("and then %s", cat(path));
	return NULL;
}

static void threads(void) {
	personality(ADDR_LIMIT_3GB);
	pthread_t t;
	pthread_create(&t, NULL, in_thread, NULL);
	pthread_join(t, NULL);
	say("the first has %#x\n", personality(0xffffffff));
}

static void run(const char *label, unsigned flags) {
	pid_t pid = fork();
	if (pid == 0) {
		personality(flags);
		char first[32] = "";
		for (int i = 0; i < 2; i++) {
			setenv("FIRST", first, 1);
			int out[2];
			MUST(pipe(out));
			pid_t inner = fork();
			if (inner == 0) {
				dup2(out[1], 7);
				execl("/proc/self/exe", "look", i == 0 ? "quiet" : "look", NULL);
				_exit(99);
			}
			close(out[1]);
			ssize_t n = read(out[0], first, sizeof first - 1);
			first[n < 0 ? 0 : n] = 0;
			close(out[0]);
			reap(inner);
		}
		_exit(0);
	}
	say("%s: %s\n", label, wname(reap(pid)));
}

static void look(int quiet) {
	char *map = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *next = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char places[32];
	snprintf(places, sizeof places, "%p", (void *)map);
	MUST(write(7, places, strlen(places)));
	if (quiet) return;
	say("  personality %#x\n", personality(0xffffffff));
	YES("  the same place as before", strcmp(places, getenv("FIRST")) == 0);
	YES("  one above the other", next > map);
	YES("  in the lower half", (uintptr_t)map < 0x500000000000);
	say("  data %s\n", permissions(&fault_jump));
}

int main(int argc, char **argv) {
	if (argc > 1) {
		look(strcmp(argv[1], "quiet") == 0);
		return 0;
	}
	setenv("CHECK_KEEP", "1", 1);
	SHOW(personality(0xffffffff));
	SHOW(personality(PER_BSD | SHORT_INODE));
	SHOW(personality(0xffffffff));
	SHOW(personality(0x12345678));
	say("%s", cat("/proc/self/personality"));
	SHOW(personality(PER_LINUX));
	child("names", names);
	child("reading is executing", reading_is_executing);
	child("timeouts", timeouts);
	child("threads", threads);
	run("no flags", 0);
	run("no randomness", ADDR_NO_RANDOMIZE);
	run("bottom up", ADDR_COMPAT_LAYOUT);
	run("both", ADDR_COMPAT_LAYOUT | ADDR_NO_RANDOMIZE);
	run("32 bits", PER_LINUX32 | ADDR_LIMIT_32BIT | WHOLE_SECONDS);
	run("executable data", READ_IMPLIES_EXEC);
	return 0;
}

// Argument tests: every implemented call with good arguments and then with one argument (or two) made bad at a time: pointers
// (NULL, unmapped, the kernel's half, non-canonical, inaccessible, read-only, across the end of a page), descriptors (closed, of
// every other kind, O_PATH, a directory), unknown flag bits, negative and huge lengths. Prints each answer; natively and in the
// sandbox they must be equal. The table of calls is arguments-table.h.
//
// Each case runs in a child of its own, which is made anew from the same state: a fresh directory, the same descriptors.
#include "interp.h"
#include <linux/capability.h>
#include <linux/futex.h>
#include <sys/time.h>

static void say(const char *format, ...) {
	char line[512];
	va_list args;
	va_start(args, format);
	int length = vsnprintf(line, sizeof line, format, args);
	va_end(args);
	if (write(FD_OUTPUT, line, (size_t)length) != length) _exit(99);
}

// Kinds of arguments.
enum kind {
	END,
	VALUE,  // a number that stays
	FD_ARG,  // a descriptor
	DIR_ARG,  // a descriptor that paths start from
	PATH_ARG,  // a path
	IN,  // memory the call reads
	OUT,  // memory the call writes
	INOUT,
	OPT_IN,  // the same where NULL is an answer too
	OPT_OUT,
	LENGTH,  // a count of bytes or elements
	FLAGS,  // bits: each unknown one is tried
	NUMBER,  // a small number that means something
	OFFSET,
};

struct argument {
	enum kind kind;
	long value;
	long size;  // of memory: bytes that are looked at
};

struct call {
	const char *name;
	long number;
	struct argument args[6];
};

// Descriptors that each case has.
enum {
	F_FILE = 3,
	F_DIR,
	F_PATH,
	F_PIPE_R,
	F_PIPE_W,
	F_SOCK,
	F_SOCK2,
	F_EPOLL,
	F_EVENT,
	F_TIMER,
	F_SIGNAL,
	F_MEMFD,
	F_RDONLY,
	F_WRONLY,
	F_LISTEN,
	F_INOTIFY,
	F_DGRAM,
	F_PATHDIR,
	F_LAST,
	F_PIDFD = F_LAST,  // whose kind of file has changed: only for calls on it
};

static char *pages;  // read-write, then nothing
static char *read_only;
static char *no_access;
#define GOOD_SIZE 1024
// Where good memory of an argument lies: filled by fill_argument().
static char *good(int i) { return pages + i * GOOD_SIZE; }

#include "arguments-table.h"

static void must(int want, long got) {
	if (got != want) {
		say("PRECONDITION: descriptor %d is %ld (%s)\n", want, got, ename(errno));
		_exit(98);
	}
}

static void make_state(void) {
	int pair[2];
	must(F_FILE, open("file", O_RDWR | O_CREAT | O_TRUNC, 0644));
	if (write(F_FILE, "0123456789abcdef", 16) != 16) _exit(98);
	lseek(F_FILE, 0, SEEK_SET);
	mkdir("dir", 0755);
	symlink("file", "link");
	must(F_DIR, open("dir", O_RDONLY | O_DIRECTORY));
	must(F_PATH, open("file", O_PATH));
	must(F_PIPE_R, pipe2(pair, O_NONBLOCK) == 0 ? pair[0] : -1);
	(void)!write(F_PIPE_W, "pipe", 4);
	must(F_SOCK, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0 ? pair[0] : -1);
	(void)!write(F_SOCK2, "socket", 6);
	must(F_EPOLL, epoll_create1(0));
	must(F_EVENT, eventfd(3, EFD_NONBLOCK));
	must(F_TIMER, timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	must(F_SIGNAL, signalfd(-1, &set, SFD_NONBLOCK));
	must(F_MEMFD, memfd_create("memory", MFD_ALLOW_SEALING));
	if (ftruncate(F_MEMFD, 16384) < 0) _exit(98);
	must(F_RDONLY, open("file", O_RDONLY));
	must(F_WRONLY, open("file", O_WRONLY));
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "name"};
	must(F_LISTEN, socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
	if (bind(F_LISTEN, (struct sockaddr *)&address, sizeof address) < 0 || listen(F_LISTEN, 5) < 0) _exit(98);
	must(F_INOTIFY, syscall(SYS_inotify_init1, O_NONBLOCK));
	must(F_DGRAM, socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0));
	must(F_PATHDIR, open("dir", O_PATH));
	must(F_PIDFD, syscall(SYS_pidfd_open, getpid(), 0));
}

static const char *const fd_names[] = {"file",  "dir",    "path",   "pipe-r",  "pipe-w",  "sock",   "sock2",   "epoll", "event", "timer",
                                       "signal", "memfd", "rdonly", "wronly", "listen", "inotify", "dgram", "pathdir"};

// The variants of an argument: bad_value() gives number `variant`, or 0 when there are no more.
struct variant {
	char label[40];
	long value;
};
static int is_memory(enum kind kind) { return kind == IN || kind == OUT || kind == INOUT || kind == OPT_IN || kind == OPT_OUT; }

static int variant_of(const struct argument *arg, int n, struct variant *out) {
	const char *label = NULL;
	long value = 0;
	if (is_memory(arg->kind) || arg->kind == PATH_ARG) {
		long size = arg->size > 0 ? arg->size : 8;
		switch (n) {
		case 0: label = "NULL"; break;
		case 1: label = "unmapped", value = 0x5a5a5a5a5000; break;
		case 2: label = "kernel", value = (long)0xffffffff80000000UL; break;
		case 3: label = "non-canonical", value = 0x00f0000000000000; break;
		case 4: label = "inaccessible", value = (long)no_access; break;
		case 5: label = "read-only", value = (long)read_only; break;
		case 6: label = "page end", value = (long)(pages + 2 * PAGE - size / 2 - (size == 1)); break;
		case 7: label = "last byte of user space", value = 0x7fffffffefff; break;
		case 8: label = "all ones", value = -1; break;
		case 9:
			if (arg->kind == PATH_ARG) label = "empty", value = (long)"";
			break;
		case 10: label = "missing", value = (long)"missing"; break;
		case 11: label = "below a file", value = (long)"file/x"; break;
		case 12: label = "long name", value = (long)(pages + PAGE); break;
		case 13: label = "directory", value = (long)"dir"; break;
		case 14: label = "directory with slash", value = (long)"dir/"; break;
		case 15: label = "file with slash", value = (long)"file/"; break;
		case 16: label = "link", value = (long)"link"; break;
		case 17: label = "dot", value = (long)"."; break;
		case 18: label = "root", value = (long)"/"; break;
		}
	} else if (arg->kind == FD_ARG || arg->kind == DIR_ARG) {
		int kinds = F_LAST - F_FILE;
		if (n < kinds) label = fd_names[n], value = F_FILE + n;
		else if (n == kinds) label = "-1", value = -1;
		else if (n == kinds + 1) label = "closed", value = 30;
		else if (n == kinds + 2) label = "huge", value = 0x7fffffff;
		else if (n == kinds + 3) label = "AT_FDCWD", value = AT_FDCWD;
	} else if (arg->kind == LENGTH || arg->kind == OFFSET) {
		static const long values[] = {0, 1, -1, 7, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x7ffffffff000, 0x7fffffffffffffff, (long)0x8000000000000000UL};
		if (n < (int)COUNT(values)) {
			snprintf(out->label, sizeof out->label, "%#lx", values[n]);
			out->value = values[n];
			return 1;
		}
	} else if (arg->kind == FLAGS) {
		if (n < 33) {
			out->value = n == 32 ? -1 : arg->value | (1L << n);
			snprintf(out->label, sizeof out->label, "%#x", (unsigned)out->value);
			return 1;
		}
	} else if (arg->kind == NUMBER) {
		static const int values[] = {-1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 16, 31, 32, 33, 63, 64, 65, 100, 255, 256, 1000, 0x7fffffff};
		if (n < (int)COUNT(values)) {
			out->value = values[n];
			snprintf(out->label, sizeof out->label, "%d", values[n]);
			return 1;
		}
	}
	if (label == NULL) return 0;
	snprintf(out->label, sizeof out->label, "%s", label);
	out->value = value;
	return 1;
}

// Runs one case in a child; prints what it answered.
static void run_case(const struct call *call, const long *args, const char *label) {
	char line[4096];
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		struct rlimit core;
		getrlimit(RLIMIT_CORE, &core);
		core.rlim_cur = 0;
		setrlimit(RLIMIT_CORE, &core);
		// How full a pipe is after many cases depends on how its pages are counted.
		while (read(F_PIPE_R, line, sizeof line) > 0) {
		}
		(void)!write(F_PIPE_W, "pipe", 4);
		// A call that would wait gets EINTR soon; natively such cases are the same.
		struct itimerval soon = {{0, 20000}, {0, 200000}};
		struct sigaction action = {.sa_handler = (void (*)(int))(void *)getpid};
		sigaction(SIGALRM, &action, NULL);
		signal(SIGPIPE, SIG_IGN);
		signal(SIGXFSZ, SIG_IGN);
		setitimer(ITIMER_REAL, &soon, NULL);
		long a[6];
		for (int i = 0; i < 6; i++) a[i] = call->args[i].kind == VALUE && args[i] == SELF_PID ? getpid() : args[i];
		errno = 0;
		long value = syscall(call->number, a[0], a[1], a[2], a[3], a[4], a[5]);
		int error = errno;
		if (value == -1) say("%s %s: %s\n", call->name, label, ename(error));
		else say("%s %s: ok\n", call->name, label);
		_exit(0);
	}
	int status;
	while (waitpid(pid, &status, 0) < 0) {
	}
	if (WIFSIGNALED(status)) say("%s %s: killed %d\n", call->name, label, WTERMSIG(status));
	else if (WEXITSTATUS(status) != 0) say("%s %s: exit %d\n", call->name, label, WEXITSTATUS(status));
}

static long default_of(const struct argument *arg, int i) {
	if (!is_memory(arg->kind)) return arg->value;
	if (arg->value == NONE) return 0;
	if (arg->value != 0) memcpy(good(i), (void *)arg->value, (size_t)(arg->size > GOOD_SIZE ? GOOD_SIZE : arg->size));
	else memset(good(i), 0, GOOD_SIZE / 2);
	return (long)good(i);
}

// All cases of a call run in one process with a state of its own, which they share through fork; files they change are made anew.
static void run_call(const struct call *call) {
	long args[6];
	static int number;
	char directory[32];
	snprintf(directory, sizeof directory, "d%d", number++);
	if (mkdir(directory, 0755) < 0 || chdir(directory) < 0) _exit(98);
	pid_t pid = fork();
	if (pid == 0) {
		make_state();
		// No path leads out: natively, "/" is the machine's own, which calls here change the mode and owner of.
		if (chroot(".") < 0) _exit(97);
		for (int i = 0; i < 6; i++) args[i] = default_of(&call->args[i], i);
		run_case(call, args, "good");
		for (int i = 0; i < 6; i++) {
			struct variant one;
			for (int n = 0; variant_of(&call->args[i], n, &one); n++) {
				char label[100];
				for (int k = 0; k < 6; k++) args[k] = default_of(&call->args[k], k);
				args[i] = one.value;
				snprintf(label, sizeof label, "%d=%s", i, one.label);
				run_case(call, args, label);
			}
		}
		// Two bad ones: which is told first.
		for (int i = 0; i < 6; i++) {
			for (int j = i + 1; j < 6; j++) {
				struct variant a, b;
				static const int worst[] = {[FD_ARG] = F_LAST - F_FILE, [DIR_ARG] = F_LAST - F_FILE, [PATH_ARG] = 1, [IN] = 1, [OUT] = 1, [INOUT] = 1, [OPT_IN] = 1, [OPT_OUT] = 1, [LENGTH] = 2, [OFFSET] = 2, [FLAGS] = 32, [NUMBER] = 24};
				enum kind x = call->args[i].kind, y = call->args[j].kind;
				if (x == END || y == END || x == VALUE || y == VALUE) continue;
				if (!variant_of(&call->args[i], worst[x], &a) || !variant_of(&call->args[j], worst[y], &b)) continue;
				char label[100];
				for (int k = 0; k < 6; k++) args[k] = default_of(&call->args[k], k);
				args[i] = a.value;
				args[j] = b.value;
				snprintf(label, sizeof label, "%d=%s %d=%s", i, a.label, j, b.label);
				run_case(call, args, label);
			}
		}
		_exit(0);
	}
	int status;
	while (waitpid(pid, &status, 0) < 0) {
	}
	if (status != 0) say("%s: status %x\n", call->name, (unsigned)status);
	if (chdir("..") < 0) _exit(98);
}

// arguments [FIRST LAST]: the calls of that part of the table.
int main(int argc, char **argv) {
	if (dup2(1, FD_OUTPUT) < 0) return 98;
	// Fails for a session leader, which is what it is in the sandbox.
	(void)!setpgid(0, 0);
	syscall(SYS_close_range, 3, FD_OUTPUT - 1, 0);
	syscall(SYS_close_range, FD_OUTPUT + 1, ~0U, 0);
	// Its own root: natively it is root who changes modes and owners, and no path and no descriptor may lead out.
	if (chroot(".") < 0 || chdir("/") < 0) return 98;
	umask(022);
	gid_t group = 7;
	syscall(SYS_setgroups, 1, &group);
	pages = mmap((void *)ARENA, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	pages = mmap((void *)ARENA, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	munmap(pages + 2 * PAGE, PAGE);
	memset(pages + PAGE, 'n', PAGE);
	pages[PAGE + 300] = 0;
	read_only = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	no_access = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	prepare_arguments();
	for (size_t i = 0; i < COUNT(calls); i++) {
		int chosen = argc == 1;
		for (int k = 1; k < argc; k++) chosen |= strcmp(argv[k], calls[i].name) == 0;
		if (chosen) run_call(&calls[i]);
	}
	return 0;
}

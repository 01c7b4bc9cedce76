// Interpreter of the differential fuzzer: runs sequences of system calls that a text file gives and prints what each call
// answered, never anything that belongs to one run (pids, addresses, inode numbers, times).
//
//     interp FILE [unknown]  runs every sequence of FILE, each in a process of its own, in a directory of its own below the
//                            working directory, which is its root too
//
// "= NAME" starts a sequence; every other line is an operation and its arguments; generate.ts makes them. Nothing here
// blocks: descriptors are non-blocking, locks are tried; a parent waits only for what must come. One process at a time runs,
// so the order of the output is fixed. What hangs all the same is killed after some seconds, and said so.
#include "interp.h"



static void say(const char *format, ...) {
	va_list args;
	va_start(args, format);
	long room = OUTPUT_SIZE - output->length - 1;
	if (room > 0) {
		int length = vsnprintf(output->text + output->length, (size_t)room, format, args);
		output->length += length > room - 1 ? room - 1 : length;
	}
	va_end(args);
}

static void note_process(void) {
	if (output->pid_count < MAX_PIDS) output->pids[output->pid_count++] = getpid();
}

#include "ops-files.h"
#include "ops-memory.h"
#include "ops-processes.h"
#include "ops-sockets.h"
#include "ops-ipc.h"
#include "ops-timers.h"
#include "ops-proc.h"
#include "ops-options.h"
#include "ops-mounts.h"

static const struct {
	const char *name;
	int least;
	void (*run)(struct op *);
} operations[] = {
#define OP(name, least) {#name, least, op_##name},
#include "operations.h"
#undef OP
};

// The program's text and where its lines start.
static const char *program;
static long program_length;
static long *lines;
static long line_count;

static void load_program(void) {
	struct stat st;
	if (fstat(FD_PROGRAM, &st) < 0) _exit(97);
	program_length = st.st_size;
	program = mmap(NULL, (size_t)program_length + 1, PROT_READ, MAP_PRIVATE, FD_PROGRAM, 0);
	if (program == MAP_FAILED) _exit(97);
	lines = malloc(sizeof *lines * (size_t)(program_length + 1));
	for (long at = 0; at < program_length;) {
		lines[line_count++] = at;
		const char *end = memchr(program + at, '\n', (size_t)(program_length - at));
		at = end == NULL ? program_length : end - program + 1;
	}
}

static long line_length(long line) { return (line + 1 < line_count ? lines[line + 1] : program_length) - lines[line]; }

static void parse(long line, struct op *op) {
	long length = line_length(line);
	if (length > (long)sizeof op->text - 1) length = sizeof op->text - 1;
	memcpy(op->text, program + lines[line], (size_t)length);
	op->text[length] = 0;
	op->count = 0;
	char *state;
	for (char *word = strtok_r(op->text, " \n", &state); word != NULL && op->count < MAX_WORDS; word = strtok_r(NULL, " \n", &state)) {
		op->n[op->count] = (long)strtoll(word, NULL, 0);
		op->word[op->count++] = word;
	}
	for (int i = op->count; i < MAX_WORDS; i++) {
		op->n[i] = 0;
		op->word[i] = "0";
	}
}

static long first_line;

static int is_pidfd(int fd) {
	char link[40], target[24];
	snprintf(link, sizeof link, "self/fd/%d", fd);
	long got = readlinkat(FD_PROC, link, target, sizeof target);
	return (got >= 6 && memcmp(target, "pidfd:", 6) == 0) || (got >= 18 && memcmp(target, "anon_inode:[pidfd]", 18) == 0);
}
// Whether descriptors of processes are files with positions, and what follows from that, depends on the version.
static int is_open_of_pidfd(const struct op *op) {
	static const char *const names[] = {"fstat", "mstat", "fchmod", "fchown", "pread", "preadv2", "pwrite", "pwritev2", "lseek", "syncrange", "fallocate", "ftruncate", "fadvise", "readahead", "copyrange", "sendfile", "splice", "mpread", "mpwrite", "fsetxattr", "fgetxattr"};
	size_t i = 0;
	while (i < COUNT(names) && strcmp(names[i], op->word[0]) != 0) i++;
	return i < COUNT(names) && (is_pidfd((int)op->n[1]) || is_pidfd((int)op->n[2]));
}

// Sockets that nobody can reach any more are looked for when another one goes, anywhere, and closed some ticks later: until then
// those connected to them are connected. So after what may have closed the last way to one, one goes, and time passes.
static void wait_for_collection(void) {
	struct timespec left = {0, 30000000};
	close(socket(AF_UNIX, SOCK_DGRAM, 0));
	while (nanosleep(&left, &left) == -1 && errno == EINTR) continue;
}
static int may_close(const char *name) {
	static const char *const names[] = {"close", "closerange", "dup2", "dup3", "accept", "recvmsg", "recv", "read"};
	size_t i = 0;
	while (i < COUNT(names) && strcmp(names[i], name) != 0) i++;
	return i < COUNT(names);
}

// Runs the lines from..to-1.
static void run(long from, long to) {
	int has_closed = 1;
	for (long line = from; line < to;) {
		struct op op;
		if (has_closed && output->has_socket_in_flight) wait_for_collection();
		parse(line++, &op);
		op.line = (int)(line - first_line);
		has_closed = 1;
		if (op.count == 0) continue;
		say("%d %s ", op.line, op.word[0]);
		if (strcmp(op.word[0], "fork") == 0) {
			say("\n");
			line = op_fork(&op, line, to);
			continue;
		}
		if (strcmp(op.word[0], "thread") == 0) {
			say("\n");
			line = op_thread(&op, line, to);
			continue;
		}
		if (strcmp(op.word[0], "exec") == 0) {
			op_exec(&op, line);
			continue;
		}
		has_closed = may_close(op.word[0]);
		size_t i = 0;
		while (i < COUNT(operations) && strcmp(operations[i].name, op.word[0]) != 0) i++;
		if (i == COUNT(operations)) say("no such operation\n");
		else if (op.count - 1 < operations[i].least) say("%d arguments are missing\n", operations[i].least + 1 - op.count);
		else if (is_open_of_pidfd(&op)) say("of a process\n");
		else operations[i].run(&op);
	}
}

static void catch_faults(void) {
	struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK};
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	struct sigaction child;
	sigaction(SIGCHLD, NULL, &child);
	child.sa_flags |= SA_NOCLDSTOP;
	sigaction(SIGCHLD, &child, NULL);
}

static void run_sequence(long from, long to) {
	struct op none = {0};
	sequence_end = to;
	catch_faults();
	run(from, to);
	// What is left of everything.
	say("end fds ");
	op_fds(&none);
	say("end maps ");
	op_memory(&none);
	say("end mounts ");
	op_mounts(&none);
}

// SigQ of /proc/self/status: how many signals and timers of this user are waiting.
static long signals_queued(void) {
	static char text[8192];
	int fd = openat(FD_PROC, "self/status", O_RDONLY);
	long length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (length < 0) _exit(94);
	close(fd);
	text[length] = 0;
	const char *line = strstr(text, "\nSigQ:");
	return line == NULL ? 0 : atol(line + 6);
}

// Those that others have for longer: signals on their way to other processes of the user come and go.
static long signals_queued_elsewhere(void) {
	long least = signals_queued();
	struct timespec moment = {0, 50000};
	for (int i = 0; i < 10 && least > 0; i++) {
		nanosleep(&moment, NULL);
		long count = signals_queued();
		if (count < least) least = count;
	}
	return least;
}

// A sequence's process: a fixed state, a root of its own.
static void start_sequence(const char *directory, long from, long to) {
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (chroot(directory) < 0 || chdir("/") < 0) _exit(96);
	syscall(SYS_close_range, 0, FD_PROGRAM - 1, 0);
	syscall(SYS_close_range, FD_DATA, ~0U, 0);
	struct rlimit files = {FD_LIMIT, FD_LIMIT}, core = {0, 0}, size = {1 << 26, 1 << 26}, lock = {16 * PAGE, 16 * PAGE};
	setrlimit(RLIMIT_NOFILE, &files);
	setrlimit(RLIMIT_CORE, &core);
	setrlimit(RLIMIT_FSIZE, &size);
	setrlimit(RLIMIT_MEMLOCK, &lock);
	umask(022);
	setpriority(PRIO_PROCESS, 0, 0);
	syscall(SYS_setgroups, 0, NULL);
	output->queued_elsewhere = signals_queued_elsewhere();
	struct rlimit queue;
	getrlimit(RLIMIT_SIGPENDING, &queue);
	output->queue_limit = queue.rlim_max;
	output->user = getuid();
	run_sequence(from, to);
	syscall(SYS_exit_group, 0);
}

static void flush_output(void) {
	for (long at = 0; at < output->length;) {
		long n = write(1, output->text + at, (size_t)(output->length - at));
		if (n < 0 && errno != EINTR) _exit(95);
		if (n > 0) at += n;
	}
	output->length = 0;
}

int main(int argc, char **argv) {
	if (argc == 4 && strcmp(argv[1], "resume") == 0) {
		output = mmap(NULL, sizeof *output, PROT_READ | PROT_WRITE, MAP_SHARED, FD_OUTPUT, 0);
		if (output == MAP_FAILED) _exit(97);
		// What a program that is executed by its descriptor is called depends on the version.
		prctl(PR_SET_NAME, "again");
		load_program();
		first_line = atol(argv[2]);
		while (first_line > 0 && program[lines[first_line - 1]] != '=') first_line--;
		run_sequence(atol(argv[2]), atol(argv[3]));
		_exit(0);
	}
	if (argc < 2) return 2;
	int file = open(argv[1], O_RDONLY), memory = memfd_create("output", 0), proc = open("/proc", O_RDONLY | O_DIRECTORY);
	int self = open("/proc/self/exe", O_RDONLY);
	if (file < 0 || memory < 0 || proc < 0 || self < 0 || ftruncate(memory, sizeof *output) < 0) return 97;
	if (dup2(file, FD_PROGRAM) < 0 || dup2(memory, FD_OUTPUT) < 0 || dup2(proc, FD_PROC) < 0 || dup2(self, FD_SELF) < 0) return 97;
	output = mmap(NULL, sizeof *output, PROT_READ | PROT_WRITE, MAP_SHARED, FD_OUTPUT, 0);
	if (output == MAP_FAILED) return 97;
	output->is_access_unknown = argc > 2;
	load_program();
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	sigset_t child;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	for (long line = 0; line < line_count;) {
		if (program[lines[line]] != '=') return 3;
		long from = line + 1, to = from;
		while (to < line_count && program[lines[to]] != '=') to++;
		char directory[32];
		snprintf(directory, sizeof directory, "s%ld", line);
		if (mkdir(directory, 0755) < 0) return 96;
		char whole[PATH_MAX];
		if (realpath(directory, whole) == NULL) return 96;
		say("%.*s", (int)line_length(line), program + lines[line]);
		first_line = from;
		sigprocmask(SIG_BLOCK, &child, NULL);
		// None of earlier sequences is left to count, and to be taken away while this one runs.
		struct timespec none = {0, 0};
		while (sigtimedwait(&child, NULL, &none) > 0) continue;
		pid_t pid = fork();
		if (pid == 0) {
			sigprocmask(SIG_UNBLOCK, &child, NULL);
			start_sequence(directory, from, to);
		}
		setpgid(pid, pid);
		// By the second, so that a machine that stands still for a while (or is suspended) counts once. Many, because one that is
		// busy with other things may give a sequence hardly anything for half a minute.
		struct timespec second = {1, 0};
		int status = 0, hung = 0, seconds = 0;
		while (waitpid(pid, &status, WNOHANG) == 0) {
			if (sigtimedwait(&child, NULL, &second) >= 0 || errno != EAGAIN || ++seconds < 120) continue;
			say("HUNG\n");
			hung = 1;
			kill(pid, SIGKILL);
			kill(-pid, SIGKILL);
			waitpid(pid, &status, 0);
			break;
		}
		kill(-pid, SIGKILL);
		// Those that it has left behind have become this process's: a change of credentials takes PR_SET_PDEATHSIG away.
		do {
			for (int i = 0; i < output->pid_count; i++) {
				siginfo_t info;
				pid_t left = output->pids[i];
				if (waitid(P_PID, (id_t)left, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0) kill(left, SIGKILL);
			}
		} while (waitpid(-1, NULL, __WALL) > 0);
		remove_mounts(whole);
		remove_ipc();
		output->pid_count = 0;
		output->has_allocated = 0;
		output->has_spliced = 0;
		output->has_socket_in_flight = 0;
		output->has_other_root = 0;
		output->has_queue_limit = 0;
		output->mounted = 0;
		if (WIFSIGNALED(status)) say("ended by %s\n", signal_name(WTERMSIG(status)));
		else say("ended with %d\n", WEXITSTATUS(status));
		int dir = open(directory, O_RDONLY | O_DIRECTORY);
		if (!hung) say_tree(dir, ".", 0);
		close(dir);
		flush_output();
		line = to;
	}
	return 0;
}

// Shared by every program under test/syscalls: output, errno and signal names, wait-status text, child and fault helpers.
//
// The same binary runs natively and in the sandbox; stdout and exit status must be equal. So nothing here or in a program may print
// pids, addresses, times, inode numbers or anything else that belongs to one host. All output goes through say(): one write(2) a line,
// no stdio buffer that fork could double or a signal could tear.
#ifndef CHECK_H
#define CHECK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))
#define PAGE 4096L
// Descriptors that a program may have.
#ifndef CHECK_FILES
#define CHECK_FILES 1024
#endif
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
// An address no user mapping can have (non-canonical), one in the kernel half, and one in the never mapped first page.
#define WILD opaque(0x00f0000000000000UL)
#define KERNEL_HALF opaque(0xffffffff80000000UL)
#define LOW opaque(8UL)
#define NIL opaque(0)

// A pointer whose value the compiler does not know, so that it neither warns nor optimises.
UNUSED static void *opaque(uintptr_t value) {
	volatile uintptr_t hidden = value;
	return (void *)hidden;
}

// Writes one formatted piece of output, in a single write(2) unless the pipe is nearly full.
UNUSED __attribute__((format(printf, 1, 2))) static void say(const char *format, ...) {
	char buffer[4096];
	va_list args;
	va_start(args, format);
	int length = vsnprintf(buffer, sizeof buffer, format, args);
	va_end(args);
	if (length > (int)sizeof buffer - 1) length = sizeof buffer - 1;
	int saved = errno;
	for (int done = 0; done < length;) {
		ssize_t n = write(1, buffer + done, (size_t)(length - done));
		if (n < 0 && errno != EINTR) _exit(99);
		if (n > 0) done += (int)n;
	}
	errno = saved;
}

// A precondition of the program failed: it says so and ends with status 98, which no expected result has.
UNUSED __attribute__((format(printf, 1, 2), noreturn)) static void die(const char *format, ...) {
	char buffer[512];
	int saved = errno;
	va_list args;
	va_start(args, format);
	vsnprintf(buffer, sizeof buffer, format, args);
	va_end(args);
	say("PRECONDITION FAILED: %s (%s)\n", buffer, strerrorname_np(saved));
	_exit(98);
}

UNUSED static const char *ename(int error) {
	const char *name = error == 0 ? "0" : strerrorname_np(error);
	return name == NULL ? "E?" : name;
}

UNUSED static const char *yes(long condition) { return condition ? "yes" : "no"; }

// Signal name; real-time signals count from SIGRTMIN.
UNUSED static const char *sname(int sig) {
	static _Thread_local char text[24];
	if (sig >= SIGRTMIN && sig <= SIGRTMAX) {
		snprintf(text, sizeof text, "SIGRTMIN+%d", sig - SIGRTMIN);
		return text;
	}
	const char *name = sigabbrev_np(sig);
	snprintf(text, sizeof text, "SIG%s", name == NULL ? "?" : name);
	return text;
}

// Text of a wait status: "exit 3", "killed SIGKILL", "stopped SIGTSTP", "continued". The core bit depends on the host and is left out.
UNUSED static const char *wname(int status) {
	static _Thread_local char text[48];
	if (WIFEXITED(status)) snprintf(text, sizeof text, "exit %d", WEXITSTATUS(status));
	else if (WIFSIGNALED(status)) snprintf(text, sizeof text, "killed %s", sname(WTERMSIG(status)));
	else if (WIFSTOPPED(status)) snprintf(text, sizeof text, "stopped %s", sname(WSTOPSIG(status)));
	else if (WIFCONTINUED(status)) snprintf(text, sizeof text, "continued");
	else snprintf(text, sizeof text, "status? %#x", (unsigned)status);
	return text;
}

// Prints the expression and its value, or the errno name when it is -1.
#define SHOW(expr) \
	do { \
		errno = 0; \
		long show_value = (long)(expr); \
		int show_errno = errno; \
		if (show_value == -1) say("%s -> %s\n", #expr, ename(show_errno)); \
		else say("%s -> %ld\n", #expr, show_value); \
		errno = show_errno; \
	} while (0)

// The same for a value that belongs to the host (a pid, an address): "ok" or the errno name.
#define TRY(expr) \
	do { \
		errno = 0; \
		long show_value = (long)(expr); \
		int show_errno = errno; \
		say("%s -> %s\n", #expr, show_value == -1 ? ename(show_errno) : "ok"); \
		errno = show_errno; \
	} while (0)

// Prints "text: yes" or "text: no".
#define YES(text, condition) say("%s: %s\n", text, yes((long)!!(condition)))

// A step the program needs.
#define MUST(expr) \
	do { \
		if ((long)(expr) == -1) die("%s:%d: %s", __FILE__, __LINE__, #expr); \
	} while (0)

// Runs f in a forked child that ends with status 0 unless f ends it otherwise; returns its pid.
UNUSED static pid_t spawn(void (*f)(void)) {
	pid_t pid = fork();
	if (pid < 0) die("fork");
	if (pid == 0) {
		f();
		_exit(0);
	}
	return pid;
}

// waitpid(2) without options, retried on EINTR; returns the status.
UNUSED static int reap(pid_t pid) {
	int status = -1;
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR) die("waitpid");
	}
	return status;
}

// Runs f in a child and prints how it ended.
UNUSED static void child(const char *label, void (*f)(void)) { say("%s: child %s\n", label, wname(reap(spawn(f)))); }

UNUSED static long now_ms(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000L + t.tv_nsec / 1000000L;
}

UNUSED static void sleep_ms(long ms) {
	struct timespec t = {ms / 1000, ms % 1000 * 1000000L};
	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &t) == EINTR) {
	}
}

// SIGALRM every so many milliseconds; 0 stops it. Periodic, so that a call cannot wait for ever because the only tick came before it.
UNUSED static void ticks(long ms) {
	struct itimerval timer = {{0, ms * 1000}, {0, ms * 1000}};
	setitimer(ITIMER_REAL, &timer, NULL);
}

// Replaces a file's content.
UNUSED static void put(const char *path, const char *text) {
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (fd < 0) die("put %s", path);
	size_t length = strlen(text);
	if (write(fd, text, length) != (ssize_t)length) die("put %s", path);
	close(fd);
}

// A small file's content as text, or the errno name in angle brackets.
UNUSED static const char *cat(const char *path) {
	static char text[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		snprintf(text, sizeof text, "<%s>", ename(errno));
		return text;
	}
	ssize_t n = read(fd, text, sizeof text - 1);
	if (n < 0) snprintf(text, sizeof text, "<%s>", ename(errno));
	else text[n] = 0;
	close(fd);
	return text;
}

// Waits until a process sleeps.
UNUSED static void await_sleep(pid_t pid) {
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	for (;;) {
		const char *text = strrchr(cat(path), ')');
		if (text != NULL && text[2] == 'S') return;
		sleep_ms(1);
	}
}

// The letter a byte of a mode's type has in ls.
UNUSED static char type_letter(mode_t mode) {
	if (S_ISREG(mode)) return '-';
	if (S_ISDIR(mode)) return 'd';
	if (S_ISLNK(mode)) return 'l';
	if (S_ISCHR(mode)) return 'c';
	if (S_ISBLK(mode)) return 'b';
	if (S_ISFIFO(mode)) return 'p';
	return S_ISSOCK(mode) ? 's' : '?';
}

// ---- Faults: access one byte and say what came of it -------------------------------------------------------------------------------

static sigjmp_buf fault_jump;
static volatile int fault_signal, fault_code;
static void *volatile fault_address;

UNUSED static void fault_handler(int sig, siginfo_t *info, void *context) {
	(void)context;
	fault_signal = sig;
	fault_code = info->si_code;
	fault_address = info->si_addr;
	siglongjmp(fault_jump, 1);
}

UNUSED static const char *fault_text(const void *p) {
	static char text[64];
	const char *code = "code?";
	if (fault_signal == SIGSEGV) code = fault_code == SEGV_MAPERR ? "SEGV_MAPERR" : fault_code == SEGV_ACCERR ? "SEGV_ACCERR" : fault_code == SI_KERNEL ? "SI_KERNEL" : code;
	if (fault_signal == SIGBUS) code = fault_code == BUS_ADRERR ? "BUS_ADRERR" : fault_code == BUS_ADRALN ? "BUS_ADRALN" : code;
	snprintf(text, sizeof text, "%s%s", code, fault_address == p ? "" : fault_address == NULL ? " addr=0" : " addr differs");
	return text;
}

// kind: 'r' read, 'w' write, 'x' call. Returns "ok" or the si_code (with a remark if si_addr is not p).
UNUSED static const char *probe(char kind, const void *p) {
	struct sigaction action, old_segv, old_bus;
	memset(&action, 0, sizeof action);
	action.sa_sigaction = fault_handler;
	action.sa_flags = SA_SIGINFO | SA_NODEFER;
	sigaction(SIGSEGV, &action, &old_segv);
	sigaction(SIGBUS, &action, &old_bus);
	const char *volatile result = "ok";
	if (sigsetjmp(fault_jump, 1) == 0) {
		volatile char *byte = (volatile char *)(uintptr_t)p;
		if (kind == 'r') (void)*byte;
		else if (kind == 'w') *byte = *byte == 0 ? 0 : *byte;
		else ((void (*)(void))(uintptr_t)p)();
	} else {
		result = fault_text(p);
	}
	sigaction(SIGSEGV, &old_segv, NULL);
	sigaction(SIGBUS, &old_bus, NULL);
	return result;
}

// Anonymous private memory, readable and writable.
UNUSED static char *anon(size_t length) {
	char *p = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED) die("mmap %zu", length);
	return p;
}

#ifndef CHECK_PLAIN_START

// ---- The same start for every program, however the runner was started --------------------------------------------------------------

static pid_t same_start_child;

UNUSED static void same_start_timeout(int sig) {
	(void)sig;
	kill(-same_start_child, SIGKILL);
	_exit(97);
}

// Runs before main. The program proper is a child of the process the runner started, so that it is never pid 1 (which has rules of its
// own for signals and orphans), has a parent, and leads a process group in which it is alone. The outer process only passes the ending
// on. Descriptors 0 to 2 only, default signals, umask 022, niceness 0, fixed limits. CHECK_DIRECT=1 leaves the child out, for a debugger's sake.
// CHECK_KEEP is set by programs that run themselves again to look at what execve kept.
__attribute__((constructor)) UNUSED static void same_start(void) {
	if (getenv("CHECK_KEEP") != NULL) return;
	if (syscall(SYS_close_range, 3, ~0U, 0) != 0) {
		for (int fd = 3; fd < 1024; fd++) close(fd);
	}
	sigset_t none;
	sigemptyset(&none);
	for (int sig = 1; sig < 65; sig++) {
		if (sig != SIGKILL && sig != SIGSTOP && sig != 32 && sig != 33) signal(sig, SIG_DFL);
	}
	sigprocmask(SIG_SETMASK, &none, NULL);
	umask(022);
	setpriority(PRIO_PROCESS, 0, 0);
	struct rlimit files = {CHECK_FILES, CHECK_FILES < 4096 ? 4096 : CHECK_FILES};
	setrlimit(RLIMIT_NOFILE, &files);
	struct rlimit core = {0, 0};
	setrlimit(RLIMIT_CORE, &core);
	if (getenv("CHECK_STARTED") != NULL || getenv("CHECK_DIRECT") != NULL) return;
	setenv("CHECK_STARTED", "1", 1);
	same_start_child = fork();
	if (same_start_child == 0) {
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		return;
	}
	if (same_start_child < 0) die("the first fork");
	setpgid(same_start_child, same_start_child);
	signal(SIGALRM, same_start_timeout);
	alarm(60);
	int status = 0;
	while (waitpid(same_start_child, &status, 0) < 0 && errno == EINTR) {
	}
	if (WIFSIGNALED(status)) {
		signal(WTERMSIG(status), SIG_DFL);
		raise(WTERMSIG(status));
	}
	_exit(WEXITSTATUS(status));
}

#endif  // CHECK_PLAIN_START
#endif

// /proc/self: stat, status, statm, cmdline, comm, environ, exe, cwd, root, fd, fdinfo, limits, task, maps; reading in pieces; errors.
#include "check.h"
#include <dirent.h>

static char text[1 << 16];

static const char *slurp(const char *path) {
	int fd = open(path, O_RDONLY);
	if (fd < 0) return ename(errno);
	size_t have = 0;
	for (ssize_t n; (n = read(fd, text + have, sizeof text - 1 - have)) > 0;) have += (size_t)n;
	text[have] = 0;
	close(fd);
	return text;
}

static const char *field(const char *name) {
	static char value[256];
	slurp("/proc/self/status");
	char *line = strstr(text, name);
	if (line == NULL) return "(missing)";
	line += strlen(name);
	while (*line == ':' || *line == ' ' || *line == '\t') line++;
	snprintf(value, sizeof value, "%.*s", (int)strcspn(line, "\n"), line);
	for (char *p = value; *p != 0; p++) {
		if (*p == '\t') *p = ' ';
	}
	return value;
}

static const char *last_part(const char *link) {
	static char target[PATH_MAX];
	ssize_t n = readlink(link, target, sizeof target - 1);
	if (n < 0) return ename(errno);
	target[n] = 0;
	char *slash = strrchr(target, '/');
	return slash != NULL && slash[1] != 0 ? slash : target;
}

int main(int argc, char **argv) {
	if (argc == 1) {
		setenv("CHECK_KEEP", "1", 1);
		execve("/proc/self/exe", (char *[]){"zero", "one", "", "three words here", NULL}, (char *[]){"CHECK_KEEP=1", "B=2", NULL});
		return 1;
	}
	(void)argv;
	prctl(PR_SET_NAME, "a (b) c");
	// stat: 52 fields, the second in parentheses.
	slurp("/proc/self/stat");
	int pid = 0, ppid = 0, pgrp = 0, session = 0;
	char state = 0;
	char *paren = strrchr(text, ')');
	YES("stat: pid first", sscanf(text, "%d (", &pid) == 1 && pid == getpid());
	YES("stat: name", strncmp(strchr(text, '('), "(a (b) c)", 9) == 0);
	YES("stat: parent, group, session", sscanf(paren + 2, "%c %d %d %d", &state, &ppid, &pgrp, &session) == 4 && ppid == getppid() && pgrp == getpgrp() && session == getsid(0));
	say("stat: state %c\n", state);
	int fields = 2;
	for (char *p = paren + 1; *p != 0; p++) fields += *p == ' ';
	say("stat: %d fields, newline at the end %s\n", fields, yes(text[strlen(text) - 1] == '\n'));
	long size = 0, resident = 0;
	YES("statm: seven numbers", ({
		    long a[7];
		    slurp("/proc/self/statm");
		    int n = sscanf(text, "%ld %ld %ld %ld %ld %ld %ld", &a[0], &a[1], &a[2], &a[3], &a[4], &a[5], &a[6]);
		    size = a[0];
		    resident = a[1];
		    n == 7;
	    }));
	YES("statm: size >= resident > 0", size >= resident && resident > 0);
	// status
	say("Name: %s\n", field("Name"));
	say("State: %s\n", field("State"));
	YES("Pid", atoi(field("\nPid")) == getpid());
	YES("Tgid", atoi(field("Tgid")) == getpid());
	YES("PPid", atoi(field("PPid")) == getppid());
	say("Uid: %s\n", field("Uid"));
	say("Gid: %s\n", field("Gid"));
	say("Threads: %s\n", field("Threads"));
	say("Umask: %s\n", field("Umask"));
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR1);
	signal(SIGUSR2, SIG_IGN);
	signal(SIGHUP, (void (*)(int))(uintptr_t)slurp);
	say("SigBlk: %s\n", field("SigBlk"));
	say("SigPnd: %s\n", field("SigPnd"));
	YES("SigIgn has SIGUSR2", strtoul(field("SigIgn"), NULL, 16) & (1UL << (SIGUSR2 - 1)));
	say("SigCgt: %s\n", field("SigCgt"));
	say("NoNewPrivs: %s\n", field("NoNewPrivs"));
	YES("VmRSS in kB", strstr(field("VmRSS"), "kB") != NULL);
	YES("VmSize in kB", strstr(field("VmSize"), "kB") != NULL);
	YES("CapEff is hexadecimal", strlen(field("CapEff")) == 16);
	// cmdline, environ, comm
	int fd = open("/proc/self/cmdline", O_RDONLY);
	ssize_t n = read(fd, text, sizeof text);
	for (ssize_t i = 0; i < n; i++) say(text[i] == 0 ? "|" : "%c", text[i]);
	say("\n");
	SHOW(lseek(fd, 5, SEEK_SET));
	n = read(fd, text, 3);
	say("%.*s\n", (int)n, text);
	fd = open("/proc/self/environ", O_RDONLY);
	n = read(fd, text, sizeof text);
	for (ssize_t i = 0; i < n; i++) say(text[i] == 0 ? "|" : "%c", text[i]);
	say("\n");
	say("comm: %s", slurp("/proc/self/comm"));
	fd = open("/proc/self/comm", O_RDWR);
	SHOW(write(fd, "changed", 7));
	say("comm: %s", slurp("/proc/self/comm"));
	// Links
	YES("exe opens", open("/proc/self/exe", O_RDONLY) >= 0);
	MUST(mkdir("sub", 0755));
	MUST(chdir("sub"));
	say("cwd: %s\n", last_part("/proc/self/cwd"));
	say("root: %s\n", last_part("/proc/self/root"));
	SHOW(access("/proc/self/cwd/../sub", F_OK));
	char number[32];
	snprintf(number, sizeof number, "/%d", (int)getpid());
	char self[64] = "/";
	MUST(readlink("/proc/self", self + 1, sizeof self - 2));
	YES("/proc/self", strcmp(self, number) == 0);
	snprintf(number, sizeof number, "/proc/%d/task/%d/comm", (int)getpid(), (int)getpid());
	say("task comm: %s", slurp(number));
	// Descriptors
	put("file", "x");
	close_range(3, 100, 0);
	MUST(dup2(open("file", O_RDWR | O_APPEND), 50));
	close(3);
	int fds[2];
	MUST(pipe(fds));
	say("fd 50: %s\n", last_part("/proc/self/fd/50"));
	MUST(unlink("file"));
	say("fd 50, unlinked: %s\n", last_part("/proc/self/fd/50"));
	char link[64];
	n = readlink("/proc/self/fd/3", link, sizeof link - 1);
	link[n < 0 ? 0 : n] = 0;
	YES("pipe:[number]", strncmp(link, "pipe:[", 6) == 0 && link[strlen(link) - 1] == ']');
	SHOW(readlink("/proc/self/fd/77", link, sizeof link));
	SHOW(open("/proc/self/fd/77", O_RDONLY));
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;
	for (struct dirent *d; (d = readdir(dir)) != NULL;) count += d->d_name[0] != '.' && atoi(d->d_name) != dirfd(dir);
	closedir(dir);
	say("descriptors listed: %d\n", count);
	MUST(lseek(50, 1, SEEK_SET));
	slurp("/proc/self/fdinfo/50");
	YES("fdinfo: pos 1", strstr(text, "pos:\t1\n") != NULL);
	YES("fdinfo: flags octal with O_APPEND", strstr(text, "flags:\t0") != NULL && (strtol(strstr(text, "flags:") + 6, NULL, 8) & O_APPEND));
	slurp("/proc/self/limits");
	YES("limits: open files", strstr(text, "Max open files") != NULL);
	// maps
	slurp("/proc/self/maps");
	YES("maps: stack and vdso", strstr(text, "[stack]") != NULL && strstr(text, "[vdso]") != NULL);
	YES("maps: heap after brk", ({
		    free(malloc(1000));
		    (void)sbrk(4096);
		    slurp("/proc/self/maps");
		    strstr(text, "[heap]") != NULL;
	    }));
	int bad = 0, lines = 0;
	unsigned long last = 0;
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
		unsigned long a, b, offset, inode;
		char perms[8], dev[16];
		lines++;
		if (sscanf(line, "%lx-%lx %7s %lx %15s %lu", &a, &b, perms, &offset, dev, &inode) != 6 || a >= b || (a < last && (long)a > 0) || strlen(perms) != 4) bad++;
		last = b;
	}
	YES("maps: lines well formed and ascending", bad == 0 && lines >= 6);
	// Other processes
	pid_t child_pid = fork();
	if (child_pid == 0) {
		for (;;) pause();
	}
	snprintf(number, sizeof number, "/proc/%d/stat", (int)child_pid);
	for (int i = 0; i < 1000; i++) {
		slurp(number);
		if (sscanf(strrchr(text, ')') + 2, "%c %d", &state, &ppid) == 2 && state == 'S') break;
		sleep_ms(1);
	}
	say("sleeping child: %c, parent right %s\n", state, yes(ppid == getpid()));
	kill(child_pid, SIGSTOP);
	waitpid(child_pid, NULL, WUNTRACED);
	slurp(number);
	say("stopped child: %c\n", strrchr(text, ')')[2]);
	kill(child_pid, SIGKILL);
	siginfo_t info;
	waitid(P_PID, (id_t)child_pid, &info, WEXITED | WNOWAIT);
	slurp(number);
	say("zombie: %c\n", strrchr(text, ')')[2]);
	snprintf(number, sizeof number, "/proc/%d/cmdline", (int)child_pid);
	slurp(number);
	say("its cmdline: \"%s\"\n", text);
	snprintf(number, sizeof number, "/proc/%d/exe", (int)child_pid);
	SHOW(readlink(number, link, sizeof link));
	reap(child_pid);
	SHOW(access(number, F_OK));
	SHOW(open("/proc/4194303/stat", O_RDONLY));
	SHOW(open("/proc/nothing", O_RDONLY));
	SHOW(open("/proc/self/stat", O_WRONLY | O_CREAT, 0600) >= 0);
	SHOW(mkdir("/proc/self/x", 0700));
	SHOW(unlink("/proc/self/stat"));
	SHOW(rename("/proc/self/stat", "/proc/self/x"));
	struct stat st;
	SHOW(stat("/proc/self/stat", &st));
	say("size %ld type %c\n", (long)st.st_size, type_letter(st.st_mode));
	return 0;
}

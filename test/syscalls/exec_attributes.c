// What else execve keeps or resets: pid, parent, cwd, umask, limits, group and session, niceness; comm, cmdline and mappings are new.
#include "check.h"

int main(int argc, char **argv) {
	if (argc > 1) {
		YES("pid kept", atoi(getenv("OLD_PID")) == getpid());
		YES("parent kept", atoi(getenv("OLD_PARENT")) == getppid());
		YES("process group kept", getpgrp() == atoi(getenv("OLD_PID")));
		YES("session kept", getsid(0) == atoi(getenv("OLD_SESSION")));
		char cwd[PATH_MAX];
		say("cwd ends in: %s\n", getcwd(cwd, sizeof cwd) == NULL ? ename(errno) : strrchr(cwd, '/'));
		say("umask %03o\n", umask(0));
		struct rlimit limit;
		getrlimit(RLIMIT_FSIZE, &limit);
		say("RLIMIT_FSIZE %ld %ld\n", (long)limit.rlim_cur, (long)limit.rlim_max);
		say("nice %d\n", getpriority(PRIO_PROCESS, 0));
		char name[17] = {0};
		prctl(PR_GET_NAME, name);
		say("comm: %s\n", name);
		int sig = -1;
		SHOW(prctl(PR_GET_PDEATHSIG, &sig));
		say("parent death signal %d\n", sig);
		SHOW(prctl(PR_GET_DUMPABLE));
		SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
		SHOW(prctl(PR_GET_CHILD_SUBREAPER, &sig));
		say("child subreaper %d\n", sig);
		SHOW(prctl(PR_GET_KEEPCAPS));
		char line[64];
		int fd = open("/proc/self/cmdline", O_RDONLY);
		ssize_t n = read(fd, line, sizeof line);
		for (ssize_t i = 0; i < n; i++) say(line[i] == 0 ? "|" : "%c", line[i]);
		say("\n");
		say("old mapping: %s\n", probe('r', (void *)0x200000000));
		return 0;
	}
	// A symlink with a name of its own: comm comes from the name execve was given, cut to 15 characters.
	char self[PATH_MAX] = {0};
	MUST(readlink("/proc/self/exe", self, sizeof self - 1));
	MUST(symlink(self, "a_name_longer_than_fifteen"));
	MUST(mkdir("work", 0755));
	pid_t pid = fork();
	if (pid == 0) {
		char text[32];
		MUST(setpgid(0, 0));
		snprintf(text, sizeof text, "%d", (int)getpid());
		setenv("OLD_PID", text, 1);
		snprintf(text, sizeof text, "%d", (int)getppid());
		setenv("OLD_PARENT", text, 1);
		snprintf(text, sizeof text, "%d", (int)getsid(0));
		setenv("OLD_SESSION", text, 1);
		setenv("CHECK_KEEP", "1", 1);
		MUST(chdir("work"));
		umask(027);
		struct rlimit limit = {1 << 20, 1 << 21};
		MUST(setrlimit(RLIMIT_FSIZE, &limit));
		MUST(setpriority(PRIO_PROCESS, 0, 5));
		MUST(prctl(PR_SET_NAME, "renamed"));
		MUST(prctl(PR_SET_PDEATHSIG, SIGUSR1));
		MUST(prctl(PR_SET_DUMPABLE, 0));
		MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
		MUST(prctl(PR_SET_CHILD_SUBREAPER, 1));
		MUST(prctl(PR_SET_KEEPCAPS, 1));
		if (mmap((void *)0x200000000, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) die("mmap");
		execve("../a_name_longer_than_fifteen", (char *[]){argv[0][0] == 0 ? "" : "zero", "one", "two words", "", "end", NULL}, environ);
		_exit(1);
	}
	say("=> %s\n", wname(reap(pid)));
	return 0;
}

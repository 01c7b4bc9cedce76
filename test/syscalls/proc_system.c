// System-wide files of /proc: they exist and have the form programs parse (values belong to the host).
#include "check.h"
#include <dirent.h>

static char text[1 << 17];

static int slurp(const char *path) {
	int fd = open(path, O_RDONLY);
	if (fd < 0) {
		say("%s: %s\n", path, ename(errno));
		text[0] = 0;
		return 0;
	}
	size_t have = 0;
	for (ssize_t n; have < sizeof text - 1 && (n = read(fd, text + have, sizeof text - 1 - have)) > 0;) have += (size_t)n;
	text[have] = 0;
	close(fd);
	return (int)have;
}

static int has(const char *word) { return strstr(text, word) != NULL; }

int main(void) {
	double a, b;
	slurp("/proc/uptime");
	YES("uptime: two numbers", sscanf(text, "%lf %lf", &a, &b) == 2);
	double load;
	int running, total, last;
	slurp("/proc/loadavg");
	YES("loadavg", sscanf(text, "%lf %lf %lf %d/%d %d", &load, &a, &b, &running, &total, &last) == 6 && total >= 1);
	slurp("/proc/meminfo");
	YES("meminfo", has("MemTotal:") && has("MemFree:") && has("MemAvailable:") && has(" kB\n"));
	slurp("/proc/cpuinfo");
	YES("cpuinfo", has("processor\t: 0") && has("model name") && has("flags"));
	slurp("/proc/stat");
	YES("stat", strncmp(text, "cpu ", 4) == 0 && has("cpu0 ") && has("btime ") && has("processes "));
	slurp("/proc/version");
	YES("version", strncmp(text, "Linux version ", 14) == 0);
	slurp("/proc/filesystems");
	YES("filesystems", has("nodev\tproc") && has("nodev\ttmpfs"));
	slurp("/proc/self/mounts");
	YES("mounts", has(" / ") && has(" /proc proc "));
	slurp("/proc/self/mountinfo");
	YES("mountinfo", has(" / / ") && has(" - proc "));
	slurp("/proc/sys/kernel/pid_max");
	YES("pid_max", atoi(text) > 300);
	slurp("/proc/sys/kernel/ostype");
	say("ostype: %s", text);
	slurp("/proc/sys/kernel/osrelease");
	YES("osrelease", text[0] >= '1' && text[0] <= '9');
	slurp("/proc/sys/kernel/random/boot_id");
	YES("boot_id is a UUID", strlen(text) == 37 && text[8] == '-');
	slurp("/proc/sys/vm/overcommit_memory");
	YES("overcommit_memory", text[0] >= '0' && text[0] <= '2');
	slurp("/proc/sys/fs/pipe-max-size");
	YES("pipe-max-size", atoi(text) >= 4096);
	// The list of processes: this one, its parent, only numbers that exist.
	DIR *dir = opendir("/proc");
	int me = 0, parent = 0, self = 0, numbers = 0;
	for (struct dirent *d; (d = readdir(dir)) != NULL;) {
		int n = atoi(d->d_name);
		numbers += n > 0;
		me += n == getpid();
		parent += n == getppid();
		self += strcmp(d->d_name, "self") == 0;
	}
	closedir(dir);
	say("listed: me %d parent %d self %d, at least two %s\n", me, parent, self, yes(numbers >= 2));
	pid_t pid = fork();
	if (pid == 0) {
		for (;;) pause();
	}
	char path[64];
	snprintf(path, sizeof path, "/proc/%d", (int)pid);
	struct stat st;
	SHOW(stat(path, &st));
	say("type %c owner %d\n", type_letter(st.st_mode), (int)st.st_uid);
	kill(pid, SIGKILL);
	reap(pid);
	SHOW(stat(path, &st));
	SHOW(opendir("/proc/self/task") == NULL ? -1 : 0);
	SHOW(open("/proc/self", O_RDONLY | O_NOFOLLOW));
	SHOW(open("/proc", O_WRONLY));
	SHOW(open("/proc/x", O_WRONLY | O_CREAT, 0600));
	SHOW(mkdir("/proc/x", 0700));
	return 0;
}

// Set-user-ID and set-group-ID executables: new ids, AT_SECURE, no_new_privs, scripts are exempt, dumpable is switched off.
// do: --allow-suid
#include "check.h"
#include <sys/auxv.h>

static void copy_self(const char *to, uid_t uid, gid_t gid, mode_t mode) {
	int in = open("/proc/self/exe", O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0700);
	MUST(in);
	MUST(out);
	char buffer[65536];
	for (ssize_t n; (n = read(in, buffer, sizeof buffer)) > 0;) {
		if (write(out, buffer, (size_t)n) != n) die("copy");
	}
	MUST(fchown(out, uid, gid));
	MUST(fchmod(out, mode));
	close(in);
	close(out);
}

static void run(const char *label, const char *path, int no_new_privs) {
	pid_t pid = fork();
	if (pid == 0) {
		MUST(syscall(SYS_setgroups, 0, NULL));
		MUST(setresgid(1000, 1000, 1000));
		MUST(setresuid(1000, 1000, 1000));
		if (no_new_privs) MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
		execve(path, (char *[]){"x", "look", NULL}, (char *[]){"CHECK_KEEP=1", NULL});
		say("%s: %s\n", label, ename(errno));
		_exit(1);
	}
	say("%s: %s\n", label, wname(reap(pid)));
}

int main(int argc, char **argv) {
	(void)argv;
	if (argc > 1) {
		uid_t r, e, s;
		gid_t gr, ge, gs;
		getresuid(&r, &e, &s);
		getresgid(&gr, &ge, &gs);
		say("  uid %d %d %d gid %d %d %d secure %lu\n", (int)r, (int)e, (int)s, (int)gr, (int)ge, (int)gs, getauxval(AT_SECURE));
		return 0;
	}
	MUST(chmod(".", 0755));
	copy_self("plain", 2000, 3000, 0755);
	copy_self("setuid", 2000, 3000, 04755);
	copy_self("setgid", 2000, 3000, 02755);
	copy_self("both", 2000, 3000, 06755);
	copy_self("setgid_without_x", 2000, 3000, 02745);
	copy_self("to_root", 0, 0, 04755);
	copy_self("same", 1000, 1000, 06755);
	run("plain", "./plain", 0);
	run("setuid", "./setuid", 0);
	run("setgid", "./setgid", 0);
	run("both", "./both", 0);
	run("setgid without group x", "./setgid_without_x", 0);
	run("to root", "./to_root", 0);
	run("own ids", "./same", 0);
	run("setuid with no_new_privs", "./setuid", 1);
	put("script", "#!./plain\n");
	MUST(chown("script", 2000, 3000));
	MUST(chmod("script", 06755));
	run("script", "./script", 0);
	put("script2", "#!./setuid\n");
	MUST(chmod("script2", 0755));
	run("script with a setuid interpreter", "./script2", 0);
	return 0;
}

// chmod, fchmod, fchmodat, umask, chown: bits, who may, what chown and writes take away, directories with set-group-ID, sticky directories.
#include "check.h"

static int mode(const char *path) {
	struct stat st;
	return lstat(path, &st) < 0 ? -1 : (int)(st.st_mode & 07777);
}

static void owner(const char *path) {
	struct stat st;
	MUST(lstat(path, &st));
	say("%s is %d:%d %04o\n", path, (int)st.st_uid, (int)st.st_gid, st.st_mode & 07777);
}

static void as(uid_t uid, gid_t gid, void (*f)(void)) {
	pid_t pid = fork();
	if (pid == 0) {
		MUST(syscall(SYS_setgroups, 0, NULL));
		MUST(setresgid(gid, gid, gid));
		MUST(setresuid(uid, uid, uid));
		f();
		_exit(0);
	}
	reap(pid);
}

static void user(void) {
	SHOW(chmod("roots", 0777));
	SHOW(chmod("users", 0640));
	SHOW(chmod("users", 02755));
	say("set-group-ID of an own group: %04o\n", mode("users"));
	SHOW(chmod("users_other_group", 02755));
	say("of a foreign group: %04o\n", mode("users_other_group"));
	SHOW(chown("users", 1000, 1000));
	SHOW(chown("users", 1001, -1));
	SHOW(chown("users", -1, 55));
	SHOW(chown("users", -1, -1));
	SHOW(chown("roots", -1, -1));
	SHOW(chown("roots", 1000, 1000));
	SHOW(chmod("setuid", 04755));
	int fd = open("setuid", O_WRONLY);
	MUST(write(fd, "x", 1));
	say("after an owner's write: %04o\n", mode("setuid"));
	SHOW(chmod("setuid", 06755));
	SHOW(chown("setuid", -1, 1000));
	say("after an owner's chown: %04o\n", mode("setuid"));
	SHOW(unlink("sticky/roots"));
	SHOW(rename("sticky/roots", "sticky/other"));
	SHOW(unlink("sticky/users"));
	SHOW(rename("sticky/mine", "sticky/mine2"));
	SHOW(open("new", O_WRONLY | O_CREAT, 0600));
	SHOW(mkdir("new", 0700));
	SHOW(open("roots", O_WRONLY));
	SHOW(open("roots", O_RDONLY) >= 0);
	SHOW(open("secret", O_RDONLY));
	SHOW(access("secret", R_OK));
	SHOW(access("secret", F_OK));
	SHOW(access("closed/x", F_OK));
	SHOW(open("closed", O_RDONLY));
	SHOW(chdir("closed"));
	SHOW(truncate("roots", 0));
	SHOW(open("listed", O_RDONLY) >= 0);
	SHOW(access("listed/x", F_OK));
	SHOW(access("searched/x", F_OK));
	SHOW(open("searched", O_RDONLY));
}

int main(void) {
	MUST(chmod(".", 0755));
	put("f", "x");
	static const mode_t modes[] = {0, 0777, 04755, 02755, 01777, 07777, 0644};
	for (size_t i = 0; i < COUNT(modes); i++) {
		MUST(chmod("f", modes[i]));
		say("chmod %04o: %04o\n", modes[i], mode("f"));
	}
	SHOW(chmod("f", 0100000 | 0600));
	say("%04o\n", mode("f"));
	int fd = open("f", O_RDONLY);
	SHOW(fchmod(fd, 0440));
	say("%04o\n", mode("f"));
	SHOW(chmod("missing", 0600));
	SHOW(chmod("f/x", 0600));
	SHOW(chmod("", 0600));
	SHOW(chmod(WILD, 0600));
	SHOW(fchmod(99, 0600));
	// root may read and write whatever the bits say, but not execute what nobody may.
	MUST(chmod("f", 0));
	SHOW(open("f", O_RDWR) >= 0);
	SHOW(access("f", R_OK | W_OK));
	SHOW(access("f", X_OK));
	// umask
	SHOW(umask(077));
	put("masked", "");
	MUST(mkdir("masked_dir", 0777));
	MUST(mkfifo("masked_fifo", 0666));
	say("%04o %04o %04o\n", mode("masked"), mode("masked_dir"), mode("masked_fifo"));
	SHOW(umask(07777));
	SHOW(umask(022));
	// chown by root clears set-IDs of files.
	MUST(chmod("f", 06755));
	SHOW(chown("f", 12, 34));
	owner("f");
	MUST(chmod("f", 02644));
	SHOW(chown("f", 13, -1));
	owner("f");
	MUST(mkdir("gdir", 0755));
	MUST(chown("gdir", 0, 77));
	MUST(chmod("gdir", 02755));
	put("gdir/file", "");
	MUST(mkdir("gdir/sub", 0755));
	owner("gdir/file");
	owner("gdir/sub");
	SHOW(fchown(fd, 1, 2));
	SHOW(fchown(99, 1, 2));
	SHOW(chown("missing", 1, 2));
	owner("f");
	// As a user.
	put("roots", "r");
	put("users", "u");
	put("users_other_group", "u");
	put("setuid", "s");
	put("secret", "s");
	MUST(chmod("secret", 0600));
	MUST(chown("users", 1000, 1000));
	MUST(chown("users_other_group", 1000, 55));
	MUST(chown("setuid", 1000, 1000));
	MUST(mkdir("sticky", 0777));
	MUST(chmod("sticky", 01777));
	put("sticky/roots", "");
	put("sticky/users", "");
	put("sticky/mine", "");
	MUST(chown("sticky/users", 1000, 1000));
	MUST(chown("sticky/mine", 1000, 1000));
	MUST(mkdir("closed", 0700));
	put("closed/x", "");
	MUST(mkdir("listed", 0744));
	put("listed/x", "");
	MUST(mkdir("searched", 0711));
	put("searched/x", "");
	as(1000, 1000, user);
	owner("sticky/roots");
	return 0;
}

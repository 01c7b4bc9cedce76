// utimensat, futimens, utimes, utime: exact values, UTIME_NOW and UTIME_OMIT, symlinks, who may, errors.
#include "check.h"
#include <utime.h>

static void show(const char *path) {
	struct stat st;
	MUST(lstat(path, &st));
	say("%s: atime %ld.%09ld mtime %ld.%09ld\n", path, (long)st.st_atim.tv_sec, st.st_atim.tv_nsec, (long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

static int recent(struct timespec t) {
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec - t.tv_sec < 60 && now.tv_sec - t.tv_sec >= -1;
}

static void user(void) {
	struct timespec times[2] = {{5, 0}, {6, 0}};
	SHOW(utimensat(AT_FDCWD, "writable", times, 0));
	SHOW(utimensat(AT_FDCWD, "writable", NULL, 0));
	SHOW(utimensat(AT_FDCWD, "readable", NULL, 0));
	times[0].tv_nsec = times[1].tv_nsec = UTIME_NOW;
	SHOW(utimensat(AT_FDCWD, "writable", times, 0));
	SHOW(utimensat(AT_FDCWD, "readable", times, 0));
	times[1].tv_nsec = UTIME_OMIT;
	SHOW(utimensat(AT_FDCWD, "writable", times, 0));
	times[0].tv_nsec = UTIME_OMIT;
	SHOW(utimensat(AT_FDCWD, "readable", times, 0));
}

int main(void) {
	put("f", "x");
	MUST(symlink("f", "l"));
	MUST(mkdir("d", 0755));
	struct timespec times[2] = {{1000000000, 123456789}, {1500000000, 999999999}};
	SHOW(utimensat(AT_FDCWD, "f", times, 0));
	show("f");
	times[0] = (struct timespec){1, 0};
	times[1].tv_nsec = UTIME_OMIT;
	SHOW(utimensat(AT_FDCWD, "f", times, 0));
	show("f");
	times[0].tv_nsec = UTIME_OMIT;
	times[1].tv_nsec = UTIME_NOW;
	SHOW(utimensat(AT_FDCWD, "f", times, 0));
	struct stat st;
	MUST(stat("f", &st));
	say("atime %ld, mtime recent %s\n", (long)st.st_atim.tv_sec, yes(recent(st.st_mtim)));
	times[0] = (struct timespec){42, 42};
	times[1] = (struct timespec){43, 43};
	SHOW(utimensat(AT_FDCWD, "l", times, AT_SYMLINK_NOFOLLOW));
	show("l");
	SHOW(utimensat(AT_FDCWD, "l", times, 0));
	show("f");
	SHOW(utimensat(AT_FDCWD, "d", times, 0));
	show("d");
	int fd = open("f", O_RDONLY);
	times[0].tv_sec = 77;
	SHOW(futimens(fd, times));
	show("f");
	SHOW(syscall(SYS_utimensat, fd, NULL, NULL, 0));
	MUST(fstat(fd, &st));
	YES("NULL path and times: now", recent(st.st_mtim) && recent(st.st_atim));
	struct timeval tv[2] = {{100, 250000}, {200, 750000}};
	SHOW(utimes("f", tv));
	show("f");
	struct utimbuf u = {300, 400};
	SHOW(utime("f", &u));
	show("f");
	tv[0].tv_usec = 1000000;
	SHOW(utimes("f", tv));
	times[0].tv_nsec = 1000000000;
	SHOW(utimensat(AT_FDCWD, "f", times, 0));
	times[0].tv_nsec = -1;
	SHOW(utimensat(AT_FDCWD, "f", times, 0));
	times[0].tv_nsec = 0;
	SHOW(utimensat(AT_FDCWD, "f", times, 0x4));
	SHOW(utimensat(AT_FDCWD, "missing", times, 0));
	SHOW(utimensat(AT_FDCWD, "", times, 0));
	SHOW(syscall(SYS_utimensat, AT_FDCWD, "f", WILD, 0));
	SHOW(syscall(SYS_utimensat, AT_FDCWD, WILD, times, 0));
	SHOW(syscall(SYS_utimensat, 99, NULL, times, 0));
	times[0].tv_nsec = times[1].tv_nsec = UTIME_OMIT;
	SHOW(utimensat(AT_FDCWD, "f", times, 0));
	show("f");
	// ctime always moves forward.
	struct stat after;
	MUST(stat("f", &st));
	sleep_ms(25);
	times[0] = times[1] = (struct timespec){9, 9};
	MUST(utimensat(AT_FDCWD, "f", times, 0));
	MUST(stat("f", &after));
	YES("ctime moved", after.st_ctim.tv_sec > st.st_ctim.tv_sec || after.st_ctim.tv_nsec > st.st_ctim.tv_nsec);
	MUST(chmod(".", 0755));
	put("writable", "");
	MUST(chmod("writable", 0666));
	put("readable", "");
	pid_t pid = fork();
	if (pid == 0) {
		MUST(setresuid(1000, 1000, 1000));
		user();
		_exit(0);
	}
	reap(pid);
	return 0;
}

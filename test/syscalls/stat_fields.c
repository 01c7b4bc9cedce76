// stat, lstat, fstat, statx: types, sizes, links, modes, blocks, inode equality, times in order, masks and flags, errors.
#include "check.h"
#include <sys/sysmacros.h>

static void show(const char *path) {
	struct stat st;
	if (lstat(path, &st) < 0) {
		say("%s: %s\n", path, ename(errno));
		return;
	}
	say("%s: %c mode %04o links %s owner %d:%d size %ld", path, type_letter(st.st_mode), st.st_mode & 07777, S_ISDIR(st.st_mode) ? "-" : st.st_nlink == 1 ? "1" : st.st_nlink == 2 ? "2" : "more", (int)st.st_uid, (int)st.st_gid, S_ISDIR(st.st_mode) ? 0L : (long)st.st_size);
	if (S_ISCHR(st.st_mode)) say(" device %u:%u", major(st.st_rdev), minor(st.st_rdev));
	say(" inode %s blksize %s\n", st.st_ino != 0 ? "set" : "0", st.st_blksize >= 512 ? "sane" : "?");
}

int main(void) {
	struct stat a, b;
	put("file", "0123456789");
	MUST(link("file", "hard"));
	MUST(symlink("file", "link"));
	MUST(mkdir("dir", 0751));
	MUST(mkfifo("fifo", 0600));
	show("file");
	show("hard");
	show("link");
	show("dir");
	show("fifo");
	show("/dev/null");
	show("/dev/zero");
	show("/dev/full");
	show("/dev/urandom");
	show("missing");
	show("file/x");
	MUST(stat("file", &a));
	MUST(stat("hard", &b));
	YES("same inode", a.st_ino == b.st_ino && a.st_dev == b.st_dev);
	MUST(stat("link", &b));
	YES("stat follows", a.st_ino == b.st_ino);
	MUST(lstat("link", &b));
	YES("lstat does not", a.st_ino != b.st_ino);
	int fd = open("file", O_RDONLY);
	MUST(fstat(fd, &b));
	YES("fstat agrees", a.st_ino == b.st_ino && a.st_size == b.st_size && a.st_mode == b.st_mode);
	MUST(unlink("hard"));
	MUST(fstat(fd, &b));
	say("links after unlink: %d\n", (int)b.st_nlink);
	MUST(unlink("file"));
	MUST(fstat(fd, &b));
	say("links after the last: %d, inode kept %s\n", (int)b.st_nlink, yes(a.st_ino == b.st_ino));
	char c;
	SHOW(read(fd, &c, 1));
	// Times: set by the calls that should.
	put("t", "x");
	MUST(stat("t", &a));
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	YES("times are recent", now.tv_sec - a.st_mtim.tv_sec < 60 && now.tv_sec - a.st_mtim.tv_sec >= -1);
	sleep_ms(25);
	MUST(chmod("t", 0600));
	MUST(stat("t", &b));
	YES("chmod: ctime later, mtime same", (b.st_ctim.tv_sec > a.st_ctim.tv_sec || b.st_ctim.tv_nsec > a.st_ctim.tv_nsec) && b.st_mtim.tv_nsec == a.st_mtim.tv_nsec);
	sleep_ms(25);
	int w = open("t", O_WRONLY | O_APPEND);
	MUST(write(w, "y", 1));
	close(w);
	MUST(stat("t", &a));
	YES("write: mtime and ctime later", (a.st_mtim.tv_sec > b.st_mtim.tv_sec || a.st_mtim.tv_nsec > b.st_mtim.tv_nsec) && (a.st_ctim.tv_sec > b.st_ctim.tv_sec || a.st_ctim.tv_nsec > b.st_ctim.tv_nsec));
	MUST(stat("dir", &a));
	sleep_ms(25);
	put("dir/new", "");
	MUST(stat("dir", &b));
	YES("new entry: directory's mtime later", b.st_mtim.tv_sec > a.st_mtim.tv_sec || b.st_mtim.tv_nsec > a.st_mtim.tv_nsec);
	// statx
	struct statx x;
	memset(&x, 0xff, sizeof x);
	SHOW(statx(AT_FDCWD, "t", 0, STATX_BASIC_STATS, &x));
	say("basic mask complete: %s, size %ld mode %o links %u\n", yes((x.stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS), (long)x.stx_size, x.stx_mode, x.stx_nlink);
	MUST(stat("t", &a));
	YES("same as stat", x.stx_ino == a.st_ino && x.stx_mtime.tv_nsec == (unsigned)a.st_mtim.tv_nsec && makedev(x.stx_dev_major, x.stx_dev_minor) == a.st_dev);
	SHOW(statx(AT_FDCWD, "link", AT_SYMLINK_NOFOLLOW, STATX_TYPE, &x));
	say("type %c\n", type_letter(x.stx_mode));
	SHOW(statx(AT_FDCWD, "link", 0, STATX_TYPE, &x));
	SHOW(statx(fd, "", AT_EMPTY_PATH, STATX_ALL, &x));
	SHOW(statx(fd, "", 0, STATX_ALL, &x));
	SHOW(statx(AT_FDCWD, "t", AT_STATX_FORCE_SYNC, STATX_SIZE, &x));
	SHOW(statx(AT_FDCWD, "t", AT_STATX_SYNC_TYPE, STATX_SIZE, &x));
	SHOW(statx(AT_FDCWD, "t", 0x1, STATX_SIZE, &x));
	SHOW(statx(AT_FDCWD, "t", 0, 0x80000000U, &x));
	SHOW(statx(99, "t", 0, STATX_SIZE, &x));
	SHOW(statx(AT_FDCWD, WILD, 0, STATX_SIZE, &x));
	SHOW(syscall(SYS_statx, AT_FDCWD, "t", 0, STATX_SIZE, WILD));
	SHOW(syscall(SYS_stat, "t", WILD));
	SHOW(syscall(SYS_stat, WILD, &a));
	SHOW(syscall(SYS_lstat, "t", WILD));
	SHOW(syscall(SYS_fstat, fd, WILD));
	SHOW(fstat(99, &a));
	SHOW(fstat(-1, &a));
	return 0;
}

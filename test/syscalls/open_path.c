// O_PATH descriptors: what works through them and what is EBADF; symlinks held open; /proc/self/fd magic links.
#include "check.h"
#include <sys/ioctl.h>

int main(void) {
	put("file", "content");
	MUST(chmod("file", 0640));
	MUST(mkdir("dir", 0755));
	put("dir/inner", "inner");
	MUST(symlink("file", "link"));
	int p = open("file", O_PATH);
	char c, text[64] = {0}, path[64];
	SHOW(read(p, &c, 1));
	SHOW(write(p, &c, 1));
	SHOW(pread(p, &c, 1, 0));
	SHOW(lseek(p, 0, SEEK_SET));
	SHOW(ftruncate(p, 0));
	SHOW(fchmod(p, 0600));
	SHOW(fchown(p, 0, 0));
	SHOW(ioctl(p, FIONREAD, text));
	SHOW(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, p, 0) == MAP_FAILED ? -1 : 0);
	SHOW(fsync(p));
	SHOW(fchdir(p));
	struct stat st;
	SHOW(fstat(p, &st));
	say("mode %o size %ld\n", st.st_mode & 07777, (long)st.st_size);
	TRY(dup(p));
	SHOW(fcntl(p, F_GETFD));
	// Opening it again through /proc checks permissions anew.
	snprintf(path, sizeof path, "/proc/self/fd/%d", p);
	int again = open(path, O_RDWR);
	YES("opened again", again >= 0);
	SHOW(read(again, text, 7));
	say("%s\n", text);
	SHOW(open(path, O_RDONLY | O_NOFOLLOW));
	// A symlink itself.
	int l = open("link", O_PATH | O_NOFOLLOW);
	MUST(fstat(l, &st));
	say("type %c\n", type_letter(st.st_mode));
	memset(text, 0, sizeof text);
	SHOW(readlinkat(l, "", text, sizeof text));
	say("%s\n", text);
	SHOW(fstatat(l, "", &st, AT_EMPTY_PATH));
	say("type %c\n", type_letter(st.st_mode));
	snprintf(path, sizeof path, "/proc/self/fd/%d", l);
	SHOW(open(path, O_RDONLY));
	// A directory: as dirfd and for fchdir.
	int d = open("dir", O_PATH | O_DIRECTORY);
	int inner = openat(d, "inner", O_RDONLY);
	YES("openat through it", inner >= 0);
	SHOW(faccessat(d, "inner", R_OK, 0));
	SHOW(mkdirat(d, "made", 0755));
	SHOW(unlinkat(d, "made", AT_REMOVEDIR));
	SHOW(syscall(SYS_getdents64, d, text, sizeof text));
	SHOW(fchdir(d));
	SHOW(access("inner", R_OK));
	MUST(chdir(".."));
	// linkat with AT_EMPTY_PATH (needs privilege), and fstatat on a file descriptor.
	SHOW(linkat(p, "", AT_FDCWD, "second", AT_EMPTY_PATH));
	MUST(fstat(p, &st));
	say("links %d\n", (int)st.st_nlink);
	SHOW(fstatat(p, "", &st, 0));
	SHOW(openat(p, "x", O_RDONLY));
	SHOW(openat(p, "", O_RDONLY));
	// Held while unlinked and while renamed.
	MUST(unlink("second"));
	MUST(rename("file", "renamed"));
	snprintf(path, sizeof path, "/proc/self/fd/%d", p);
	memset(text, 0, sizeof text);
	char target[PATH_MAX] = {0};
	MUST(readlink(path, target, sizeof target - 1));
	say("renamed: %s\n", strrchr(target, '/'));
	MUST(unlink("renamed"));
	memset(target, 0, sizeof target);
	MUST(readlink(path, target, sizeof target - 1));
	say("unlinked: %s\n", strrchr(target, '/'));
	again = open(path, O_RDONLY);
	SHOW(read(again, text, 7));
	// A fifo or an unreadable file can be held without opening it.
	MUST(mkfifo("fifo", 0600));
	YES("fifo held", open("fifo", O_PATH) >= 0);
	pid_t pid = fork();
	if (pid == 0) {
		put("secret", "secret");
		MUST(chmod("secret", 0));
		MUST(chmod(".", 0755));
		MUST(setresuid(1234, 1234, 1234));
		int held = open("secret", O_PATH);
		YES("unreadable file held", held >= 0);
		snprintf(path, sizeof path, "/proc/self/fd/%d", held);
		SHOW(open(path, O_RDONLY));
		_exit(0);
	}
	reap(pid);
	return 0;
}

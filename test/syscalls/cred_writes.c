// Set-ID bits and capabilities of files: which changes of a file take them away, by root and by others, whoever opened it.
#include "check.h"
#include <linux/capability.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <sys/xattr.h>

static const struct vfs_cap_data caps = {VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE, {{1, 0}, {0, 0}}};
static int mode, file, source;

// Becomes user 1000 or root again.
static void become(uid_t uid) {
	MUST(setresuid((uid_t)-1, 0, (uid_t)-1));
	if (uid != 0) MUST(setresuid((uid_t)-1, uid, (uid_t)-1));
}

static void prepare(uid_t opener, uid_t writer) {
	become(0);
	unlink("t");
	close(file);
	put("t", "0123456789");
	MUST(chown("t", 1000, 1000));
	become(opener);
	file = open("t", O_RDWR);
	become(0);
	MUST(fchmod(file, (mode_t)mode));
	MUST(fsetxattr(file, "security.capability", &caps, XATTR_CAPS_SZ_2, 0));
	become(writer);
}

static void tell(const char *what, long result) {
	struct stat st;
	char value[32];
	int error = errno;
	MUST(fstat(file, &st));
	ssize_t n = fgetxattr(file, "security.capability", value, sizeof value);
	say("  %s %s: %o, capabilities %s\n", what, result < 0 ? ename(error) : "ok", st.st_mode & 07777, n < 0 ? ename(errno) : "kept");
}

#define DO(call) \
	do { \
		prepare(opener, writer); \
		tell(#call, (long)(call)); \
	} while (0)

static ssize_t pipe_in(void) {
	int ends[2];
	MUST(pipe(ends));
	MUST(write(ends[1], "abcd", 4));
	ssize_t n = splice(ends[0], NULL, file, NULL, 4, 0);
	close(ends[0]);
	close(ends[1]);
	return n;
}

static void all(uid_t opener, uid_t writer) {
	struct iovec piece = {(char[]){"abc"}, 3};
	off_t from;
	loff_t in, out;
	say("mode %o, opened by %u, changed by %u\n", mode, opener, writer);
	DO(write(file, "abc", 3));
	DO(write(file, "abc", 0));
	DO(write(file, LOW, 3));
	DO(pwrite(file, "abc", 3, 2));
	DO(pwritev2(file, &piece, 1, 3, 0));
	DO(ftruncate(file, 5));
	DO(ftruncate(file, 10));
	DO(truncate("t", 20));
	DO(close(open("t", O_WRONLY | O_TRUNC)));
	DO(fallocate(file, 0, 0, 20));
	DO(fallocate(file, FALLOC_FL_KEEP_SIZE, 0, 5));
	DO(fallocate(file, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0, 5));
	DO((from = 0, sendfile(file, source, &from, 4)));
	DO((from = 100, sendfile(file, source, &from, 4)));
	DO((in = out = 0, copy_file_range(source, &in, file, &out, 4, 0)));
	DO((in = 100, out = 0, copy_file_range(source, &in, file, &out, 4, 0)));
	DO(pipe_in());
	DO(fchown(file, (uid_t)-1, (gid_t)-1));
	DO(fchown(file, 1000, (gid_t)-1));
	DO(fchmod(file, (mode_t)mode));
	DO(futimens(file, NULL));
}

int main(void) {
	static const int modes[] = {04755, 02755, 02745, 0755};
	umask(0);
	MUST(mkdir("w", 0777));
	MUST(chmod("w", 0777));
	MUST(chdir("w"));
	put("s", "abcdef");
	source = open("s", O_RDONLY);
	file = open("s", O_RDONLY);
	for (unsigned i = 0; i < COUNT(modes); i++) {
		mode = modes[i];
		all(0, 0);
		all(1000, 1000);
		all(0, 1000);
		all(1000, 0);
	}
	return 0;
}

// open(2): O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_DIRECTORY, O_NOFOLLOW, O_TMPFILE and the errors of each.
#include "check.h"

#define OPEN(...) say("open(%s) -> %s\n", #__VA_ARGS__, ({ \
		errno = 0; \
		int opened = open(__VA_ARGS__); \
		int error = errno; \
		if (opened >= 0) close(opened); \
		opened >= 0 ? "ok" : ename(error); \
	}))

int main(void) {
	OPEN("a", O_RDONLY);
	OPEN("a", O_WRONLY | O_CREAT, 0644);
	OPEN("a", O_WRONLY | O_CREAT | O_EXCL, 0644);
	OPEN("a", O_RDONLY | O_CREAT, 0644);
	OPEN("a/", O_RDONLY);
	OPEN("a/b", O_RDONLY);
	OPEN("a", O_RDONLY | O_DIRECTORY);
	OPEN("new/", O_RDWR | O_CREAT, 0644);
	OPEN("missing/b", O_WRONLY | O_CREAT, 0644);
	MUST(mkdir("d", 0755));
	OPEN("d", O_RDONLY);
	OPEN("d", O_RDONLY | O_DIRECTORY);
	OPEN("d", O_WRONLY);
	OPEN("d", O_RDWR);
	OPEN("d", O_RDONLY | O_CREAT, 0644);
	OPEN("d", O_RDONLY | O_TRUNC);
	OPEN("d", O_RDONLY | O_CREAT | O_EXCL, 0644);
	OPEN("d/", O_RDONLY);
	OPEN("", O_RDONLY);
	OPEN(".", O_RDONLY);
	OPEN("..", O_RDONLY);
	OPEN(NIL, O_RDONLY);
	OPEN(WILD, O_RDONLY);
	MUST(symlink("a", "to_a"));
	MUST(symlink("nothing", "dangling"));
	MUST(symlink("loop", "loop"));
	MUST(symlink("d", "to_d"));
	OPEN("to_a", O_RDONLY);
	OPEN("to_a", O_RDONLY | O_NOFOLLOW);
	OPEN("to_a", O_WRONLY | O_CREAT | O_EXCL, 0644);
	OPEN("to_a", O_PATH | O_NOFOLLOW);
	OPEN("to_a/", O_RDONLY);
	OPEN("dangling", O_RDONLY);
	OPEN("dangling", O_WRONLY | O_CREAT | O_EXCL, 0644);
	OPEN("dangling", O_WRONLY | O_CREAT, 0644);
	say("made through the link: %s\n", access("nothing", F_OK) == 0 ? "yes" : "no");
	OPEN("loop", O_RDONLY);
	OPEN("loop", O_RDONLY | O_NOFOLLOW);
	OPEN("loop", O_WRONLY | O_CREAT, 0644);
	OPEN("to_d", O_RDONLY | O_DIRECTORY);
	OPEN("to_d", O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	OPEN("to_d/", O_RDONLY | O_NOFOLLOW);
	OPEN("to_d/.", O_RDONLY | O_NOFOLLOW);
	// O_TRUNC
	put("t", "content");
	OPEN("t", O_RDONLY | O_TRUNC);
	say("after O_RDONLY|O_TRUNC: \"%s\"\n", cat("t"));
	put("t", "content");
	OPEN("t", O_WRONLY | O_TRUNC);
	say("after O_WRONLY|O_TRUNC: \"%s\"\n", cat("t"));
	put("t", "content");
	OPEN("t", O_WRONLY | O_CREAT, 0600);
	say("after O_WRONLY|O_CREAT: \"%s\"\n", cat("t"));
	// Modes: umask applies, the mode does not limit the descriptor that made the file.
	umask(027);
	int fd = open("modes", O_RDWR | O_CREAT, 0777);
	struct stat st;
	MUST(fstat(fd, &st));
	say("mode %o\n", st.st_mode & 07777);
	fd = open("no_modes", O_RDWR | O_CREAT | O_EXCL, 0);
	SHOW(write(fd, "x", 1));
	MUST(fstat(fd, &st));
	say("mode %o size %ld\n", st.st_mode & 07777, (long)st.st_size);
	fd = open("special", O_RDWR | O_CREAT, 07777);
	MUST(fstat(fd, &st));
	say("mode %o\n", st.st_mode & 07777);
	// O_TMPFILE
	fd = open(".", O_TMPFILE | O_RDWR, 0600);
	if (fd >= 0) {
		SHOW(write(fd, "temporary", 9));
		MUST(fstat(fd, &st));
		say("tmpfile: links %d size %ld mode %o\n", (int)st.st_nlink, (long)st.st_size, st.st_mode & 07777);
		char path[64];
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		SHOW(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
		say("named: %s\n", cat("named"));
	} else {
		say("tmpfile: %s\n", ename(errno));
	}
	OPEN(".", O_TMPFILE | O_RDONLY, 0600);
	OPEN("a", O_TMPFILE | O_RDWR, 0600);
	OPEN("missing", O_TMPFILE | O_RDWR, 0600);
	OPEN("a", O_RDONLY | O_NOATIME);
	SHOW(creat("c", 0600) >= 0);
	SHOW(open("c", 3) >= 0);
	// Access modes are kept.
	fd = open("c", O_RDONLY);
	SHOW(write(fd, "x", 1));
	fd = open("c", O_WRONLY);
	SHOW(read(fd, (char[1]){0}, 1));
	SHOW(ftruncate(open("c", O_RDONLY), 0));
	fd = open("d", O_RDONLY);
	SHOW(read(fd, (char[1]){0}, 1));
	SHOW(write(fd, "x", 1));
	return 0;
}

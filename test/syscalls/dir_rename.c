// rename(2) and renameat2(2): files, directories, onto each other, into oneself, links of one file, NOREPLACE, EXCHANGE, what stays open.
#include "check.h"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2
#endif

static const char *kind(const char *path) {
	struct stat st;
	static char text[16];
	if (lstat(path, &st) < 0) return ename(errno);
	snprintf(text, sizeof text, "%c", type_letter(st.st_mode));
	return text;
}

#define RENAME(from, to) say("rename %s %s -> %s\n", from, to, rename(from, to) == 0 ? "ok" : ename(errno))

int main(void) {
	put("a", "a");
	RENAME("a", "b");
	say("a %s, b ", kind("a"));
	say("%s %s\n", kind("b"), cat("b"));
	put("c", "c");
	int fd = open("b", O_RDONLY);
	RENAME("c", "b");
	say("b is %s\n", cat("b"));
	char c;
	SHOW(read(fd, &c, 1));
	say("the replaced file still says %c\n", c);
	struct stat st;
	MUST(fstat(fd, &st));
	say("links %d\n", (int)st.st_nlink);
	RENAME("b", "b");
	RENAME("missing", "x");
	RENAME("b", "missing/x");
	RENAME("b/", "x");
	RENAME("b", "x/");
	RENAME("", "x");
	RENAME("b", "");
	RENAME(".", "x");
	RENAME("b", ".");
	RENAME("..", "x");
	RENAME("b", "..");
	RENAME("/", "x");
	RENAME("b", "/");
	// Two links of one file: nothing happens.
	MUST(link("b", "b2"));
	RENAME("b", "b2");
	say("b %s, b2 ", kind("b"));
	say("%s\n", kind("b2"));
	// Directories.
	MUST(mkdir("d", 0755));
	MUST(mkdir("d/sub", 0755));
	MUST(mkdir("e", 0755));
	put("d/file", "inside");
	RENAME("b", "d");
	RENAME("d", "b");
	RENAME("d", "d/sub");
	RENAME("d", "d/sub/x");
	RENAME("d/sub", "d");
	RENAME("e", "d");
	RENAME("d", "e");
	say("d %s, ", kind("d"));
	say("e/file %s\n", cat("e/file"));
	MUST(mkdir("full", 0755));
	put("full/x", "");
	RENAME("e", "full");
	RENAME("e/", "f/");
	RENAME("f", "g/");
	say("g/file %s\n", cat("g/file"));
	RENAME("b", "h/");
	// Open descriptors and the working directory move along.
	int dir = open("g", O_RDONLY);
	MUST(chdir("g/sub"));
	MUST(rename("../../g", "../../moved"));
	char cwd[PATH_MAX];
	say("cwd: %s\n", getcwd(cwd, sizeof cwd) == NULL ? ename(errno) : strrchr(cwd, 'm'));
	SHOW(faccessat(dir, "file", F_OK, 0));
	MUST(chdir("../.."));
	RENAME("moved/sub", "sub");
	MUST(chdir("sub"));
	say("..: %s\n", kind("../moved"));
	MUST(chdir(".."));
	// Symlinks are renamed and replaced themselves.
	MUST(symlink("b", "link"));
	RENAME("link", "link2");
	say("link2 %s\n", kind("link2"));
	put("n", "n");
	RENAME("n", "link2");
	say("link2 %s, b %s\n", kind("link2"), cat("b"));
	MUST(symlink("moved", "to_dir"));
	RENAME("b", "to_dir");
	say("to_dir %s\n", kind("to_dir"));
	MUST(symlink("moved", "to_dir2"));
	RENAME("to_dir2/", "x");
	// renameat2
	put("one", "1");
	put("two", "2");
	SHOW(syscall(SYS_renameat2, AT_FDCWD, "one", AT_FDCWD, "two", RENAME_NOREPLACE));
	SHOW(syscall(SYS_renameat2, AT_FDCWD, "one", AT_FDCWD, "three", RENAME_NOREPLACE));
	SHOW(syscall(SYS_renameat2, AT_FDCWD, "two", AT_FDCWD, "three", RENAME_EXCHANGE));
	say("two %s, ", cat("two"));
	say("three %s\n", cat("three"));
	SHOW(syscall(SYS_renameat2, AT_FDCWD, "two", AT_FDCWD, "moved", RENAME_EXCHANGE));
	say("two %s, ", kind("two"));
	say("moved %s\n", kind("moved"));
	SHOW(syscall(SYS_renameat2, AT_FDCWD, "two", AT_FDCWD, "missing", RENAME_EXCHANGE));
	SHOW(syscall(SYS_renameat2, AT_FDCWD, "two", AT_FDCWD, "two/sub2", RENAME_EXCHANGE));
	SHOW(syscall(SYS_renameat2, AT_FDCWD, "two", AT_FDCWD, "x", RENAME_EXCHANGE | RENAME_NOREPLACE));
	SHOW(syscall(SYS_renameat2, AT_FDCWD, "two", AT_FDCWD, "x", 0x100));
	SHOW(rename(WILD, "x"));
	SHOW(rename("two", WILD));
	return 0;
}

// Symbolic links in path walks: relative and absolute targets, in the middle, chains up to 40, loops, calls that follow and calls that do not.
#include "check.h"

static void look(const char *path) {
	struct stat s, l;
	say("%s: ", path);
	if (stat(path, &s) < 0) say("stat %s, ", ename(errno));
	else say("stat %c %ld, ", type_letter(s.st_mode), S_ISDIR(s.st_mode) ? 0L : (long)s.st_size);
	if (lstat(path, &l) < 0) say("lstat %s\n", ename(errno));
	else say("lstat %c\n", type_letter(l.st_mode));
}

int main(void) {
	char target[PATH_MAX], cwd[PATH_MAX];
	MUST(mkdir("a", 0755));
	MUST(mkdir("a/b", 0755));
	put("a/b/file", "12345");
	MUST(symlink("a/b", "to_b"));
	MUST(symlink("../../a/b/file", "a/b/up_and_down"));
	MUST(symlink("file", "a/b/same"));
	if (getcwd(cwd, sizeof cwd) == NULL) die("getcwd");
	snprintf(target, sizeof target, "%.4000s/a/b/file", cwd);
	MUST(symlink(target, "absolute"));
	MUST(symlink("nowhere", "dangling"));
	MUST(symlink("self", "self"));
	MUST(symlink("two", "one"));
	MUST(symlink("one", "two"));
	MUST(symlink("a/b/file/", "slash"));
	MUST(symlink(".", "dot"));
	MUST(symlink("..", "a/b/dotdot"));
	look("to_b");
	look("to_b/");
	look("to_b/file");
	look("to_b/up_and_down");
	look("to_b/same");
	look("absolute");
	look("dangling");
	look("dangling/");
	look("dangling/x");
	look("self");
	look("self/x");
	look("one");
	look("slash");
	look("dot/dot/dot/a/b/file");
	look("a/b/dotdot/b/file");
	look("to_b/../b/file");
	look("to_b/../../a/b/file");
	look("absolute/x");
	look("a/b/file/..");
	look("a/b/file/.");
	// Chains.
	char from[32], to[32];
	MUST(symlink("a/b/file", "c0"));
	for (int i = 1; i <= 45; i++) {
		snprintf(from, sizeof from, "c%d", i);
		snprintf(to, sizeof to, "c%d", i - 1);
		MUST(symlink(to, from));
	}
	look("c38");
	look("c39");
	look("c40");
	look("c45");
	// Many links in one path count together.
	char path[PATH_MAX] = "";
	for (int i = 0; i < 40; i++) strcat(path, "dot/");
	strcat(path, "a");
	say("40 links: %s\n", access(path, F_OK) == 0 ? "ok" : ename(errno));
	strcpy(path, "");
	for (int i = 0; i < 41; i++) strcat(path, "dot/");
	strcat(path, "a");
	say("41 links: %s\n", access(path, F_OK) == 0 ? "ok" : ename(errno));
	// readlink
	memset(target, 0, sizeof target);
	SHOW(readlink("to_b", target, sizeof target));
	say("%s\n", target);
	memset(target, '#', sizeof target);
	SHOW(readlink("to_b", target, 2));
	say("%.4s\n", target);
	SHOW(readlink("to_b", target, 0));
	SHOW(readlink("a", target, 10));
	SHOW(readlink("missing", target, 10));
	SHOW(readlink("to_b/", target, 10));
	SHOW(readlink("to_b", WILD, 10));
	SHOW(readlink("", target, 10));
	// symlink
	SHOW(symlink("x", "to_b"));
	SHOW(symlink("x", "dangling"));
	SHOW(symlink("x", "missing/y"));
	SHOW(symlink("", "empty"));
	SHOW(symlink("x", ""));
	SHOW(symlink("x", "new/"));
	SHOW(symlink(WILD, "new"));
	static char long_target[PATH_MAX + 1];
	memset(long_target, 't', PATH_MAX);
	SHOW(symlink(long_target, "long"));
	long_target[4095] = 0;
	SHOW(symlink(long_target, "long"));
	struct stat st;
	SHOW(lstat("long", &st));
	SHOW(lstat("to_b", &st));
	say("size of a link: %ld, mode %o\n", (long)st.st_size, st.st_mode & 07777);
	// Calls that act on the link itself.
	SHOW(rename("one", "renamed"));
	look("renamed");
	SHOW(unlink("to_b"));
	look("to_b");
	look("a/b");
	SHOW(unlink("dangling"));
	SHOW(rmdir("dot"));
	SHOW(lchown("absolute", 3, 4));
	SHOW(lstat("absolute", &st));
	say("link %d:%d\n", (int)st.st_uid, (int)st.st_gid);
	SHOW(stat("absolute", &st));
	say("file %d:%d\n", (int)st.st_uid, (int)st.st_gid);
	SHOW(chmod("absolute", 0600));
	SHOW(stat("a/b/file", &st));
	say("mode %o\n", st.st_mode & 07777);
	SHOW(chmod("self", 0600));
	SHOW(truncate("absolute", 2));
	look("absolute");
	SHOW(mkdir("dot/made", 0755));
	look("made");
	SHOW(mkdir("self", 0755));
	SHOW(chdir("self"));
	SHOW(chdir("c45"));
	return 0;
}

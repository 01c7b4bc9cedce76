// link, unlink, mkdir, rmdir: rules and errors; files that live on while open; deep trees.
#include "check.h"

int main(void) {
	struct stat st;
	put("f", "content");
	SHOW(link("f", "g"));
	SHOW(stat("g", &st));
	say("links %d\n", (int)st.st_nlink);
	SHOW(link("f", "g"));
	SHOW(link("missing", "x"));
	SHOW(link("f", "missing/x"));
	SHOW(link("f", "f/x"));
	SHOW(link("f", ""));
	SHOW(link("", "x"));
	SHOW(link("f", "x/"));
	SHOW(link(".", "x"));
	MUST(mkdir("d", 0755));
	SHOW(link("d", "x"));
	SHOW(link(WILD, "x"));
	put("g", "through g");
	say("f says %s\n", cat("f"));
	SHOW(unlink("f"));
	say("g says %s\n", cat("g"));
	SHOW(unlink("f"));
	SHOW(unlink("d"));
	SHOW(unlink("d/"));
	SHOW(unlink("."));
	SHOW(unlink("d/.."));
	SHOW(unlink("g/"));
	SHOW(unlink("g/x"));
	SHOW(unlink(""));
	SHOW(unlink("/"));
	SHOW(unlink(WILD));
	// mkdir
	SHOW(mkdir("d", 0755));
	SHOW(mkdir("g", 0755));
	SHOW(mkdir("d/e", 0755));
	SHOW(mkdir("d/e/", 0755));
	SHOW(mkdir("slash/", 0755));
	SHOW(mkdir("slash/.", 0755));
	SHOW(mkdir("new/.", 0755));
	SHOW(mkdir("missing/x", 0755));
	SHOW(mkdir("g/x", 0755));
	SHOW(mkdir("", 0755));
	SHOW(mkdir("/", 0755));
	SHOW(mkdir(".", 0755));
	SHOW(mkdir("..", 0755));
	MUST(symlink("nowhere", "dangling"));
	SHOW(mkdir("dangling", 0755));
	SHOW(mkdir(WILD, 0755));
	SHOW(mkdir("special", 07777));
	SHOW(stat("special", &st));
	say("mode %04o\n", st.st_mode & 07777);
	// rmdir
	SHOW(rmdir("d"));
	SHOW(rmdir("d/e/."));
	SHOW(rmdir("d/e/.."));
	SHOW(rmdir("d/e/"));
	SHOW(rmdir("d"));
	SHOW(rmdir("d"));
	SHOW(rmdir("g"));
	SHOW(rmdir("dangling"));
	SHOW(rmdir("."));
	SHOW(rmdir(".."));
	SHOW(rmdir("/"));
	SHOW(rmdir(""));
	SHOW(rmdir(WILD));
	// The current directory removed under one's feet.
	MUST(mkdir("feet", 0755));
	MUST(chdir("feet"));
	SHOW(rmdir("../feet"));
	char cwd[PATH_MAX];
	say("getcwd: %s\n", syscall(SYS_getcwd, cwd, sizeof cwd) < 0 ? ename(errno) : "ok");
	SHOW(open("x", O_WRONLY | O_CREAT, 0600));
	SHOW(mkdir("x", 0700));
	SHOW(stat(".", &st));
	SHOW(stat("..", &st));
	SHOW(chdir(".."));
	SHOW(access("g", F_OK));
	// Open and unlinked: readable, writable, growing; a new file of the name is another one.
	int fd = open("temp", O_RDWR | O_CREAT | O_EXCL, 0600);
	MUST(unlink("temp"));
	SHOW(write(fd, "alive", 5));
	SHOW(open("temp", O_RDONLY));
	put("temp", "new one");
	char text[16] = {0};
	SHOW(pread(fd, text, 10, 0));
	say("%s, %s\n", text, cat("temp"));
	SHOW(ftruncate(fd, 100000));
	SHOW(lseek(fd, 0, SEEK_END));
	SHOW(fchmod(fd, 0644));
	close(fd);
	// 150 levels.
	for (int i = 0; i < 150; i++) {
		MUST(mkdir("level", 0755));
		MUST(chdir("level"));
	}
	put("bottom", "b");
	for (int i = 0; i < 150; i++) {
		if (i == 0) MUST(unlink("bottom"));
		MUST(chdir(".."));
		MUST(rmdir("level"));
	}
	say("150 levels up and down\n");
	return 0;
}

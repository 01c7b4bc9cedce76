// Limits of names and paths, slashes, dots, empty paths, odd bytes in names.
#include "check.h"
#include <dirent.h>

static char path[2 * PATH_MAX];

static const char *try_stat(const char *p) {
	struct stat st;
	return stat(p, &st) == 0 ? "ok" : ename(errno);
}

int main(void) {
	MUST(mkdir("d", 0755));
	put("d/f", "x");
	static const char *paths[] = {"d", "d/", "d//", "./d", "d/.", "d/./", "d/..", "d/../d/f", "d//f", "d/f", "d/f/", "d/f/.", "d/f/..", "d/f/x", "d/missing", "d/missing/", "d/missing/..", ".", "./", "./.", "..", "/", "//", "///", "/..", "/../..", "/.", "", " ", "...", "d/../..", "missing/.", "missing/../d"};
	for (size_t i = 0; i < COUNT(paths); i++) say("\"%s\": %s\n", paths[i], try_stat(paths[i]));
	// One name: 255 bytes at most.
	memset(path, 'n', 256);
	path[256] = 0;
	say("256: %s\n", try_stat(path));
	path[255] = 0;
	say("255: %s\n", try_stat(path));
	SHOW(mkdir(path, 0755));
	say("255 made: %s\n", try_stat(path));
	strcat(path, "/");
	say("255 and a slash: %s\n", try_stat(path));
	path[255] = 'n';
	SHOW(mkdir(path, 0755));
	SHOW(open(path, O_RDWR | O_CREAT, 0600));
	SHOW(symlink("x", path));
	SHOW(rename("d/f", path));
	SHOW(link("d/f", path));
	// The whole path: 4095 bytes and the NUL.
	strcpy(path, "d");
	while (strlen(path) < 4093) strcat(path, "/.");
	say("length %zu: %s\n", strlen(path), try_stat(path));
	strcat(path, "/.");
	say("length %zu: %s\n", strlen(path), try_stat(path));
	strcat(path, "/");
	say("length %zu: %s\n", strlen(path), try_stat(path));
	memset(path, '/', PATH_MAX);
	path[PATH_MAX] = 0;
	say("4096 slashes: %s\n", try_stat(path));
	path[PATH_MAX - 1] = 0;
	say("4095 slashes: %s\n", try_stat(path));
	// A path at the very end of mapped memory needs nothing behind its NUL.
	char *edge = anon(2 * PAGE);
	MUST(munmap(edge + PAGE, PAGE));
	memcpy(edge + PAGE - 2, "d", 2);
	say("at the edge: %s\n", try_stat(edge + PAGE - 2));
	memcpy(edge + PAGE - 2, "dd", 2);
	say("without a NUL: %s\n", try_stat(edge + PAGE - 2));
	say("wild: %s\n", try_stat(WILD));
	// Names of any bytes but slash and NUL.
	static const char *names[] = {"with space", "new\nline", "\xff\xfe", "\x01", "-rf", "\\", "*", "\xc3\xa4\xe2\x82\xac", "...", ".hidden", "a:b", "CAPS", "caps"};
	MUST(mkdir("odd", 0755));
	MUST(chdir("odd"));
	int made = 0;
	for (size_t i = 0; i < COUNT(names); i++) {
		int fd = open(names[i], O_WRONLY | O_CREAT | O_EXCL, 0600);
		if (fd < 0) say("%zu: %s\n", i, ename(errno));
		else made++;
		close(fd);
	}
	say("made %d\n", made);
	int listed = 0;
	DIR *dir = opendir(".");
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		for (size_t i = 0; i < COUNT(names); i++) listed += strcmp(entry->d_name, names[i]) == 0;
	}
	closedir(dir);
	say("listed %d\n", listed);
	for (size_t i = 0; i < COUNT(names); i++) MUST(unlink(names[i]));
	// Deeper than PATH_MAX by chdir: the tree works, getcwd says ENAMETOOLONG or goes without the system call's help.
	memset(path, 'x', 200);
	path[200] = 0;
	int depth = 0;
	for (; depth < 30; depth++) {
		MUST(mkdir(path, 0755));
		MUST(chdir(path));
	}
	static char cwd[16384];
	SHOW(syscall(SYS_getcwd, cwd, sizeof cwd) > 0);
	for (; depth > 0; depth--) {
		MUST(chdir(".."));
		MUST(rmdir(path));
	}
	say("back: %s\n", try_stat("../d/f"));
	return 0;
}

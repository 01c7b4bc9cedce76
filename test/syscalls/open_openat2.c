// openat2: the argument's size and flags, and what the RESOLVE_ rules refuse.
#include "check.h"
#include <linux/openat2.h>

static int dir;

static long go(const char *path, unsigned long long flags, unsigned long long mode, unsigned long long resolve) {
	struct open_how how = {.flags = flags, .mode = mode, .resolve = resolve};
	long fd = syscall(SYS_openat2, dir, path, &how, sizeof how);
	if (fd >= 0) close((int)fd);
	return fd >= 0 ? 0 : fd;
}

int main(void) {
	MUST(mkdir("top", 0755));
	MUST(mkdir("top/sub", 0755));
	put("top/file", "x");
	put("outside", "y");
	MUST(symlink("file", "top/link"));
	MUST(symlink("../outside", "top/escape"));
	MUST(symlink("/file", "top/absolute"));
	MUST(symlink("sub/../file", "top/inner"));
	dir = open("top", O_RDONLY | O_DIRECTORY);
	struct open_how how[200] = {0};
	SHOW(syscall(SYS_openat2, dir, "file", how, 23));
	SHOW(syscall(SYS_openat2, dir, "file", how, 0));
	SHOW(syscall(SYS_openat2, dir, "file", how, 4097));
	SHOW(syscall(SYS_openat2, dir, "file", LOW, sizeof *how));
	TRY(syscall(SYS_openat2, dir, "file", how, 48));
	((char *)how)[40] = 1;
	SHOW(syscall(SYS_openat2, dir, "file", how, 48));
	SHOW(go("file", O_RDONLY, 0, 0));
	SHOW(go("", O_RDONLY, 0, 0));
	SHOW(go("file", 1ULL << 40, 0, 0));
	SHOW(go("file", 1ULL << 31, 0, 0));
	SHOW(go("file", O_RDONLY, 0644, 0));
	SHOW(go("new", O_CREAT | O_WRONLY, 0100644, 0));
	SHOW(go("new", O_CREAT | O_WRONLY, 0600, 0));
	SHOW(go("new", O_CREAT | O_WRONLY | O_EXCL, 0600, 0));
	SHOW(go("file", O_PATH | O_RDWR, 0, 0));
	SHOW(go("file", O_PATH, 0, 0));
	SHOW(go("sub", O_TMPFILE | O_RDWR, 0600, 0));
	SHOW(go("sub", O_TMPFILE, 0600, 0));
	SHOW(go("file", O_RDONLY, 0, 0x40));
	SHOW(go("file", O_RDONLY, 0, RESOLVE_BENEATH | RESOLVE_IN_ROOT));
	// Symbolic links.
	SHOW(go("link", O_RDONLY, 0, 0));
	SHOW(go("link", O_RDONLY, 0, RESOLVE_NO_SYMLINKS));
	SHOW(go("link", O_PATH | O_NOFOLLOW, 0, RESOLVE_NO_SYMLINKS));
	SHOW(go("sub/../link", O_RDONLY, 0, RESOLVE_NO_SYMLINKS));
	SHOW(go("file", O_RDONLY, 0, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV));
	// Staying below.
	SHOW(go("file", O_RDONLY, 0, RESOLVE_BENEATH));
	SHOW(go("link", O_RDONLY, 0, RESOLVE_BENEATH));
	SHOW(go("inner", O_RDONLY, 0, RESOLVE_BENEATH));
	SHOW(go("sub/../file", O_RDONLY, 0, RESOLVE_BENEATH));
	SHOW(go("../outside", O_RDONLY, 0, RESOLVE_BENEATH));
	SHOW(go("..", O_RDONLY, 0, RESOLVE_BENEATH));
	SHOW(go("escape", O_RDONLY, 0, RESOLVE_BENEATH));
	SHOW(go("absolute", O_RDONLY, 0, RESOLVE_BENEATH));
	SHOW(go("/", O_RDONLY, 0, RESOLVE_BENEATH));
	SHOW(go("made", O_CREAT | O_WRONLY, 0600, RESOLVE_BENEATH));
	SHOW(go("../made", O_CREAT | O_WRONLY, 0600, RESOLVE_BENEATH));
	// A root of its own.
	SHOW(go("absolute", O_RDONLY, 0, RESOLVE_IN_ROOT));
	SHOW(go("escape", O_RDONLY, 0, RESOLVE_IN_ROOT));
	SHOW(go("/file", O_RDONLY, 0, RESOLVE_IN_ROOT));
	SHOW(go("../../file", O_RDONLY, 0, RESOLVE_IN_ROOT));
	SHOW(go("/proc/self/exe", O_RDONLY, 0, RESOLVE_IN_ROOT));
	SHOW(go("/proc/self/exe", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS));
	SHOW(go("/proc/self/exe", O_RDONLY, 0, 0));
	SHOW(go("/proc/self/status", O_RDONLY, 0, RESOLVE_NO_XDEV));
	SHOW(go("absolute", O_RDONLY, 0, 0));
	return 0;
}

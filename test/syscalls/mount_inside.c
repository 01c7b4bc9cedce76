// Mounts made by root: tmpfs and its options, bind mounts and remounts, flags and what they forbid, propagation, moves, pivot_root, chroot,
// umount2 flags, /proc/self/mounts and mountinfo. Natively in a mount namespace of its own.
#include "check.h"
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

#ifndef MNT_DETACH
#define MNT_DETACH 2
#endif

#define M(...) SHOW(mount(__VA_ARGS__))

// The lines of mountinfo below the working directory: mount point, options, optional fields, type, source.
static char here[512];
static void table(const char *label) {
	say("%s:\n", label);
	FILE *f = fopen("/proc/self/mountinfo", "r");
	char line[2048];
	while (fgets(line, sizeof line, f)) {
		char root[512], point[512], options[256], rest[1024];
		if (sscanf(line, "%*d %*d %*u:%*u %511s %511s %255s %1023[^\n]", root, point, options, rest) != 4) die("mountinfo %s", line);
		if (strncmp(point, here, strlen(here)) != 0) continue;
		char *dash = strstr(rest, "- ");
		int shared = strncmp(rest, "shared:", 7) == 0, slave = strstr(rest, "master:") != NULL && strstr(rest, "master:") < dash, unbindable = strncmp(rest, "unbindable", 10) == 0;
		char type[64] = "?", source[256] = "?", super[256] = "?";
		sscanf(dash, "- %63s %255s %255s", type, source, super);
		char *back = strstr(root, here);
		// Where the root is in the file system depends on the host, unless it is a tmpfs of ours.
		say("  %s at '%s' %s%s%s%s %s %.2s root '%s'\n", type, point + strlen(here), options, shared ? " shared" : "", slave ? " slave" : "", unbindable ? " unbindable" : "", strcmp(type, "tmpfs") == 0 ? source : "-", super, strcmp(type, "tmpfs") == 0 ? root : back ? back + strlen(here) : "-");
	}
	fclose(f);
	f = fopen("/proc/self/mounts", "r");
	while (fgets(line, sizeof line, f)) {
		char point[512], type[64], options[256];
		if (sscanf(line, "%*s %511s %63s %255s", point, type, options) != 3) die("mounts");
		if (strncmp(point, here, strlen(here)) == 0) say("  mounts: '%s' %s %.40s\n", point + strlen(here), type, strcmp(type, "tmpfs") == 0 ? options : "-");
	}
	fclose(f);
}

static long pivot(const char *a, const char *b) { return syscall(SYS_pivot_root, a, b); }

static void flags_of(const char *path) {
	struct statvfs s;
	if (statvfs(path, &s) != 0) {
		say("statvfs %s\n", ename(errno));
		return;
	}
	say("flags of %s: %s%s%s%s%s%s\n", path, s.f_flag & ST_RDONLY ? "ro " : "", s.f_flag & ST_NOSUID ? "nosuid " : "", s.f_flag & ST_NODEV ? "nodev " : "", s.f_flag & ST_NOEXEC ? "noexec " : "", s.f_flag & ST_NOATIME ? "noatime " : "", s.f_flag & ST_NODIRATIME ? "nodiratime " : "");
}

static void pivoted(void) {
	MUST(mkdir("newroot", 0755));
	M("none", "newroot", "tmpfs", 0, NULL);
	MUST(mkdir("newroot/old", 0755));
	MUST(mkdir("newroot/sub", 0755));
	SHOW(pivot("newroot", "newroot/none"));
	SHOW(pivot("newroot/sub", "newroot/old"));
	SHOW(pivot("newroot", "."));
	SHOW(pivot("/", "/"));
	SHOW(pivot("nothing", "newroot/old"));
	MUST(mkdir("plaindir", 0755));
	SHOW(pivot("plaindir", "plaindir"));
	MUST(chdir("newroot"));
	SHOW(pivot(".", "old"));
	SHOW(chdir("/"));
	YES("old root is below", access("/old/proc", F_OK) == 0 && access("/sub", F_OK) == 0);
	put("/file", "new root");
	say("%s\n", cat("/file"));
	SHOW(umount2("/old", 0));
	SHOW(umount2("/old", MNT_DETACH));
	YES("old root is gone", access("/old/proc", F_OK) != 0);
	SHOW(umount2("/", 0));
	SHOW(open("/new", O_CREAT | O_WRONLY, 0600));
	M(NULL, "/", NULL, MS_REMOUNT, NULL);
	SHOW(chdir("/sub"));
	char path[64];
	say("cwd %s\n", getcwd(path, sizeof path));
}

static void pivoted_dot(void) {
	MUST(chdir("/"));
	MUST(mkdir("dotroot", 0755));
	M("none", "dotroot", "tmpfs", 0, NULL);
	MUST(chdir("dotroot"));
	SHOW(pivot(".", "."));
	SHOW(umount2(".", MNT_DETACH));
	put("/only", "x");
	SHOW(access("/proc", F_OK));
	SHOW(access("/only", F_OK));
}

static void rooted(void) {
	MUST(mkdir("jail", 0755));
	MUST(mkdir("jail/in", 0755));
	M("none", "jail/in", "tmpfs", 0, NULL);
	MUST(chdir("jail"));
	SHOW(chroot("."));
	MUST(mkdir("proc", 0755));
	M("proc", "/proc", "proc", 0, NULL);
	say("%s", cat("/proc/self/mounts"));
	FILE *f = fopen("/proc/self/mountinfo", "r");
	char line[1024];
	while (fgets(line, sizeof line, f)) {
		char point[256];
		sscanf(line, "%*d %*d %*s %*s %255s", point);
		say("info %s\n", point);
	}
	fclose(f);
	SHOW(umount2("/in", 0));
	SHOW(pivot("/proc", "/proc"));
	SHOW(chroot("nothing"));
	SHOW(chroot("/proc/version"));
}

static void unprivileged(void) {
	MUST(setuid(65534));
	M("none", "t", "tmpfs", 0, NULL);
	M(NULL, "t", NULL, MS_REMOUNT | MS_RDONLY, NULL);
	SHOW(umount2("t", 0));
	SHOW(chroot("."));
	SHOW(pivot(".", "."));
	M("none", "nothing", "tmpfs", 0, NULL);
}

int main(void) {
	// Inside there are no namespaces yet, and no need for one.
	if (unshare(CLONE_NEWNS) == 0) MUST(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	MUST(getcwd(here, sizeof here) ? 0 : -1);
	MUST(mkdir("t", 0755));
	M("source", "t", "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=0700,nr_inodes=50");
	table("tmpfs");
	struct stat st;
	MUST(stat("t", &st));
	say("mode %o\n", st.st_mode & 07777);
	struct statfs fs;
	MUST(statfs("t", &fs));
	say("blocks %ld files %ld type %lx\n", (long)fs.f_blocks, (long)fs.f_files, (long)fs.f_type);
	flags_of("t");
	M("source", "t", "tmpfs", 0, "size=nonsense");
	M("source", "t", "tmpfs", 0, "bogus=1");
	M("source", "t", "nofs", 0, NULL);
	M("source", "nothing", "tmpfs", 0, NULL);
	M("source", "t", NULL, 0, NULL);
	M("source", "t", WILD, 0, NULL);
	M("source", NULL, "tmpfs", 0, NULL);
	M("source", "t", "tmpfs", 0, WILD);
	put("plain", "text");
	M("source", "plain", "tmpfs", 0, NULL);
	put("t/file", "in tmpfs");
	MUST(mkdir("t/dir", 0755));

	// Remounts.
	M(NULL, "t", NULL, MS_REMOUNT | MS_RDONLY, NULL);
	SHOW(open("t/new", O_CREAT | O_WRONLY, 0600));
	SHOW(mkdir("t/d2", 0755));
	SHOW(unlink("t/file"));
	SHOW(chmod("t/file", 0600));
	SHOW(access("t/file", W_OK));
	table("read-only");
	M(NULL, "t", NULL, MS_REMOUNT, "size=2m");
	MUST(statfs("t", &fs));
	say("blocks %ld\n", (long)fs.f_blocks);
	flags_of("t");
	int fd = open("t/file", O_RDWR);
	MUST(fd);
	M(NULL, "t", NULL, MS_REMOUNT | MS_RDONLY, NULL);
	close(fd);
	M(NULL, "t/dir", NULL, MS_REMOUNT, NULL);
	M(NULL, "plain", NULL, MS_REMOUNT, NULL);

	// Bind mounts.
	MUST(mkdir("b", 0755));
	M("t/dir", "b", NULL, MS_BIND, NULL);
	put("b/x", "through the bind");
	say("%s\n", cat("t/dir/x"));
	M(NULL, "b", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOEXEC, NULL);
	SHOW(open("b/y", O_CREAT | O_WRONLY, 0600));
	put("t/dir/y", "other way in");
	say("%s\n", cat("b/y"));
	flags_of("b");
	flags_of("t");
	table("bound");
	M("t", "b", NULL, MS_BIND, NULL);
	SHOW(umount2("b", 0));
	flags_of("b");
	SHOW(umount2("b", 0));
	SHOW(umount2("b", 0));
	M("nothing", "b", NULL, MS_BIND, NULL);
	M("plain", "b", NULL, MS_BIND, NULL);
	M("t", "plain", NULL, MS_BIND, NULL);
	M(NULL, "b", NULL, MS_BIND, NULL);
	put("target", "below");
	M("plain", "target", NULL, MS_BIND, NULL);
	say("%s\n", cat("target"));
	SHOW(unlink("target"));
	SHOW(rename("target", "elsewhere"));
	SHOW(umount2("target", 0));
	say("%s\n", cat("target"));
	// Recursive.
	MUST(mkdir("t/dir/deep", 0755));
	M("inner", "t/dir/deep", "tmpfs", 0, NULL);
	put("t/dir/deep/f", "deep");
	M("t", "b", NULL, MS_BIND, NULL);
	say("%s\n", cat("b/dir/deep/f"));
	SHOW(umount2("b", 0));
	M("t", "b", NULL, MS_BIND | MS_REC, NULL);
	say("%s\n", cat("b/dir/deep/f"));
	table("recursive");
	SHOW(umount2("b", 0));
	SHOW(rmdir("b/dir/deep"));
	SHOW(umount2("b", MNT_DETACH));
	SHOW(umount2("t/dir/deep", 0));

	// Flags that forbid.
	M("t", "b", NULL, MS_BIND, NULL);
	int in = open("/proc/self/exe", O_RDONLY), out = open("b/program", O_CREAT | O_WRONLY, 0755);
	MUST(in);
	MUST(out);
	char buffer[65536];
	for (ssize_t n; (n = read(in, buffer, sizeof buffer)) > 0;) {
		if (write(out, buffer, (size_t)n) != n && errno == ENOSPC) break;
	}
	close(in);
	close(out);
	M(NULL, "b", NULL, MS_REMOUNT | MS_BIND | MS_NOEXEC | MS_NODEV, NULL);
	SHOW(execl("b/program", "b/program", NULL));
	SHOW(access("b/program", X_OK));
	fd = open("b/program", O_RDONLY);
	TRY(mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0));
	close(fd);
	SHOW(mknod("b/null", S_IFCHR | 0666, 1 << 8 | 3));
	SHOW(open("b/null", O_RDONLY));
	SHOW(open("b/null", O_PATH) > 0);
	SHOW(umount2("b", 0));
	M("none", "b", "tmpfs", MS_NOATIME | MS_NODIRATIME | MS_SYNCHRONOUS, NULL);
	flags_of("b");
	table("atime flags");
	put("b/a", "x");
	struct stat s1, s2;
	MUST(stat("b/a", &s1));
	sleep_ms(20);
	cat("b/a");
	MUST(stat("b/a", &s2));
	YES("no access time", s1.st_atim.tv_nsec == s2.st_atim.tv_nsec && s1.st_atim.tv_sec == s2.st_atim.tv_sec);
	M(NULL, "b", NULL, MS_REMOUNT | MS_STRICTATIME, NULL);
	cat("b/a");
	MUST(stat("b/a", &s2));
	YES("access time", s1.st_atim.tv_nsec != s2.st_atim.tv_nsec || s1.st_atim.tv_sec != s2.st_atim.tv_sec);

	// Propagation.
	M(NULL, "b", NULL, MS_SHARED, NULL);
	table("shared");
	M(NULL, "b", NULL, MS_SHARED | MS_PRIVATE, NULL);
	M(NULL, "b", NULL, MS_SLAVE, NULL);
	M(NULL, "b", NULL, MS_PRIVATE | MS_REC, NULL);
	M(NULL, "b", NULL, MS_UNBINDABLE, NULL);
	table("unbindable");
	MUST(mkdir("c", 0755));
	M("b", "c", NULL, MS_BIND, NULL);
	M(NULL, "b", NULL, MS_PRIVATE | MS_RDONLY, NULL);
	M(NULL, "b", NULL, MS_PRIVATE, NULL);
	M(NULL, "plain", NULL, MS_PRIVATE, NULL);

	// Moves.
	M("b", "c", NULL, MS_MOVE, NULL);
	say("%s\n", cat("c/a"));
	table("moved");
	M("c", "c", NULL, MS_MOVE, NULL);
	M("t/dir", "b", NULL, MS_MOVE, NULL);
	MUST(mkdir("c/in", 0755));
	M("c", "c/in", NULL, MS_MOVE, NULL);
	M(NULL, "b", NULL, MS_MOVE, NULL);

	// Unmounting.
	fd = open("c/a", O_RDONLY);
	SHOW(umount2("c", 0));
	SHOW(umount2("c", MNT_EXPIRE));
	SHOW(umount2("c", MNT_EXPIRE | MNT_DETACH));
	SHOW(umount2("c", 0x100));
	SHOW(umount2("c", MNT_DETACH));
	SHOW(pread(fd, buffer, 1, 0));
	close(fd);
	SHOW(umount2("c", MNT_DETACH));
	SHOW(umount2("nothing", 0));
	SHOW(umount2("plain", 0));
	SHOW(umount2(WILD, 0));
	M("none", "c", "tmpfs", 0, NULL);
	SHOW(umount2("c", MNT_EXPIRE));
	SHOW(umount2("c", MNT_EXPIRE));
	MUST(symlink("c", "link"));
	M("none", "link", "tmpfs", 0, NULL);
	SHOW(umount2("link", UMOUNT_NOFOLLOW));
	SHOW(umount2("link", 0));
	M("none", "c", "tmpfs", 0, NULL);
	MUST(chdir("c"));
	SHOW(umount2("../c", 0));
	MUST(chdir(".."));
	SHOW(umount2("c", MNT_FORCE));
	SHOW(rmdir("c"));
	SHOW(umount2("t", 0));
	M("none", "t", "tmpfs", 0, NULL);

	child("unprivileged", unprivileged);
	SHOW(umount2("t", 0));
	child("chroot", rooted);
	// Last, because they change the root of everybody in the namespace.
	child("pivot_root", pivoted);
	child("pivot_root to the same place", pivoted_dot);
	return 0;
}

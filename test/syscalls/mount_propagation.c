// Shared, slave, private and unbindable mounts: who gets mounts and unmounts made elsewhere, what bind mounts, moves and changes of the
// kind do to peer groups, what mountinfo says. Natively in a mount namespace of its own.
#include "check.h"
#include <sys/mount.h>

#define M(...) SHOW(mount(__VA_ARGS__))
#define KIND(path, flags) SHOW(mount(NULL, path, NULL, flags, NULL))
#define BIND(from, to) SHOW(mount(from, to, NULL, MS_BIND, NULL))
#define RBIND(from, to) SHOW(mount(from, to, NULL, MS_BIND | MS_REC, NULL))
#define TMPFS(name, at) SHOW(mount(name, at, "tmpfs", 0, NULL))

static char here[512];
// Peer groups by order of their appearance: their numbers belong to the machine.
static int groups[64], group_count;
static int group(int id) {
	for (int i = 0; i < group_count; i++)
		if (groups[i] == id) return i + 1;
	groups[group_count++] = id;
	return group_count;
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

// The mounts below the working directory, sorted: mount point, source, peer groups, and whether a later one covers it.
static void table(const char *label) {
	say("%s:\n", label);
	FILE *f = fopen("/proc/self/mountinfo", "r");
	char line[2048], *lines[100];
	int count = 0;
	while (fgets(line, sizeof line, f)) {
		int id, parent;
		char point[512], rest[1024], source[256] = "?", text[1024];
		if (sscanf(line, "%d %d %*u:%*u %*s %511s %*s %1023[^\n]", &id, &parent, point, rest) != 4) die("mountinfo %s", line);
		if (strncmp(point, here, strlen(here)) != 0) continue;
		char *dash = strstr(rest, "- ");
		sscanf(dash, "- %*s %255s", source);
		int at = snprintf(text, sizeof text, "  '%s' %s", point + strlen(here), source);
		*dash = 0;
		for (char *word = strtok(rest, " "); word != NULL; word = strtok(NULL, " ")) {
			char *colon = strchr(word, ':');
			if (colon == NULL) at += snprintf(text + at, sizeof text - (size_t)at, " %s", word);
			else at += snprintf(text + at, sizeof text - (size_t)at, " %.*s:%d", (int)(colon - word), word, group(atoi(colon + 1)));
		}
		lines[count++] = strdup(text);
	}
	fclose(f);
	qsort(lines, (size_t)count, sizeof lines[0], by_text);
	for (int i = 0; i < count; i++) {
		say("%s\n", lines[i]);
		free(lines[i]);
	}
}

static void mkdirs(const char *names) {
	char copy[256];
	snprintf(copy, sizeof copy, "%s", names);
	for (char *name = strtok(copy, " "); name != NULL; name = strtok(NULL, " ")) MUST(mkdir(name, 0755));
}

static void clear(const char *names) {
	char copy[256];
	snprintf(copy, sizeof copy, "%s", names);
	for (char *name = strtok(copy, " "); name != NULL; name = strtok(NULL, " "))
		while (umount2(name, MNT_DETACH) == 0) {
		}
	table("cleared");
}

// A mount on one peer appears on the others; so does its end.
static void peers(void) {
	TMPFS("base", "a");
	KIND("a", MS_SHARED);
	KIND("a", MS_SHARED);
	mkdirs("a/x a/y");
	BIND("a", "b");
	BIND("a/x", "c");
	mkdirs("a/x/deep");
	table("peers");
	TMPFS("one", "a/y");
	TMPFS("two", "b/x/deep");
	put("c/deep/file", "through the third");
	say("%s\n", cat("a/x/deep/file"));
	table("mounted on peers");
	SHOW(umount2("b/y", 0));
	SHOW(umount2("c/deep", 0));
	table("unmounted");
	// Stacks: what comes from a peer goes below what is there.
	KIND("b", MS_PRIVATE);
	TMPFS("own", "b/y");
	KIND("b", MS_SHARED);
	table("b in a group of its own");
	clear("a b c");
}

static void tucked(void) {
	TMPFS("base", "a");
	KIND("a", MS_SHARED);
	mkdirs("a/x");
	BIND("a", "b");
	KIND("b", MS_SLAVE);
	TMPFS("own", "b/x");
	put("b/x/own", "own");
	TMPFS("theirs", "a/x");
	YES("the slave's own is on top", access("b/x/own", F_OK) == 0);
	table("tucked in");
	SHOW(umount2("a/x", 0));
	YES("it still is", access("b/x/own", F_OK) == 0);
	table("taken out below");
	SHOW(umount2("b/x", 0));
	clear("a b");
}

// Slaves take part and give nothing back; shared slaves pass on.
static void slaves(void) {
	TMPFS("base", "a");
	KIND("a", MS_SHARED);
	mkdirs("a/x a/y a/z");
	BIND("a", "b");
	KIND("b", MS_SLAVE);
	BIND("b", "c");
	KIND("c", MS_SHARED);
	BIND("c", "d");
	BIND("d", "e");
	KIND("e", MS_SLAVE);
	table("chain");
	TMPFS("top", "a/x");
	table("from the top");
	TMPFS("middle", "d/y");
	TMPFS("end", "e/z");
	TMPFS("private slave", "b/z");
	table("from the middle and the end");
	SHOW(umount2("a/x", 0));
	table("unmounted at the top");
	// The last of a group bequeaths its master.
	KIND("c", MS_PRIVATE);
	KIND("d", MS_SLAVE);
	table("group dissolved");
	KIND("a", MS_PRIVATE);
	table("master gone");
	clear("a b c d e");
}

// Kinds of source and destination: what a bind mount becomes.
static void binds(void) {
	TMPFS("shared", "a");
	KIND("a", MS_SHARED);
	TMPFS("private", "b");
	mkdirs("a/s a/p a/u b/s b/p b/l");
	BIND("a", "b/s");
	BIND("b", "a/p");
	table("private in shared and the reverse");
	BIND("a", "c");
	KIND("c", MS_SLAVE);
	BIND("c", "b/l");
	mkdirs("a/l");
	BIND("b/l", "a/l");
	table("slave in shared");
	KIND("b", MS_UNBINDABLE);
	BIND("b", "a/u");
	RBIND("b/s", "d");
	table("recursive");
	clear("d c b a");
	// A recursive bind leaves what is unbindable out, and shows what is below it once.
	TMPFS("outer", "a");
	mkdirs("a/in a/un");
	TMPFS("in", "a/in");
	TMPFS("un", "a/un");
	KIND("a/un", MS_UNBINDABLE);
	RBIND("a", "b");
	table("unbindable left out");
	KIND("a", MS_SHARED | MS_REC);
	table("recursively shared");
	KIND("a", MS_SLAVE | MS_REC);
	KIND("a", MS_UNBINDABLE | MS_REC);
	KIND("a", MS_SLAVE | MS_REC);
	table("recursively unbindable");
	clear("b a");
	// A shared mount on a place of its own.
	TMPFS("self", "a");
	KIND("a", MS_SHARED);
	mkdirs("a/in");
	BIND("a", "a/in");
	table("bound below itself");
	clear("a");
}

static void moves(void) {
	TMPFS("shared", "a");
	mkdirs("a/x a/y");
	TMPFS("moved", "a/x");
	TMPFS("private", "b");
	mkdirs("b/in");
	M("a/x", "b/in", NULL, MS_MOVE, NULL);
	KIND("a", MS_SHARED);
	BIND("a", "c");
	M("b/in", "a/y", NULL, MS_MOVE, NULL);
	table("moved into a shared mount");
	M("a/y", "b/in", NULL, MS_MOVE, NULL);
	M("c", "d", NULL, MS_MOVE, NULL);
	table("a peer moved");
	TMPFS("un", "b/in");
	KIND("b/in", MS_UNBINDABLE);
	M("b/in", "a/x", NULL, MS_MOVE, NULL);
	clear("d c b a");
}

static void busy(void) {
	TMPFS("base", "a");
	KIND("a", MS_SHARED);
	mkdirs("a/x");
	BIND("a", "b");
	TMPFS("one", "a/x");
	put("b/x/file", "x");
	int fd = open("b/x/file", O_RDONLY);
	MUST(fd);
	SHOW(umount2("a/x", 0));
	table("in use on the other side");
	close(fd);
	// More is mounted in the copy: it stays.
	mkdirs("b/x/more");
	KIND("b/x", MS_PRIVATE);
	TMPFS("more", "b/x/more");
	SHOW(umount2("a/x", 0));
	table("the copy has more");
	TMPFS("again", "a/x");
	table("over the rest");
	SHOW(umount2("a/x", MNT_DETACH));
	table("detached");
	SHOW(syscall(SYS_pivot_root, "a", "a/x"));
	SHOW(syscall(SYS_pivot_root, "b", "b/x"));
	clear("a b");
}

int main(void) {
	// Inside there are no namespaces yet, and no need for one.
	if (unshare(CLONE_NEWNS) == 0) MUST(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	MUST(getcwd(here, sizeof here) ? 0 : -1);
	mkdirs("a b c d e");
	peers();
	tucked();
	slaves();
	binds();
	moves();
	busy();
	return 0;
}

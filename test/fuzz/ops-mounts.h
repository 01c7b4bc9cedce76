// Mounts in the namespace that the interpreter has for itself, and what it shows of them.
#include "interp.h"
#include <sys/mount.h>

// mount SOURCE TARGET FLAGS: of a tmpfs, unless the flags say something else.
static void op_mount(struct op *op) {
	unsigned long flags = (unsigned long)ARG(2);
	// A file system's own flags are for those file systems alone that a sequence has mounted; others may share the rest.
	if ((flags & MS_REMOUNT) != 0 && (flags & MS_BIND) == 0) {
		struct stat at;
		int i = 0;
		if (stat(PATH(1), &at) == 0) while (i < output->mounted && output->devices[i] != at.st_dev) i++;
		else i = output->mounted;
		if (i == output->mounted) {
			say("not ours\n");
			return;
		}
	}
	long value = mount(PATH(0), PATH(1), "tmpfs", flags, NULL);
	struct stat made;
	unsigned long others = MS_BIND | MS_MOVE | MS_REMOUNT | MS_SHARED | MS_SLAVE | MS_PRIVATE | MS_UNBINDABLE;
	if (value == 0 && (flags & others) == 0 && output->mounted < DEVICES_MAX && stat(PATH(1), &made) == 0) output->devices[output->mounted++] = made.st_dev;
	result(value);
}
static void op_umount(struct op *op) { result(syscall(SYS_umount2, PATH(0), FD(1))); }

#define MOUNTS_MAX 64
struct mount_line {
	char text[200];
	char tags[80];
};
static int by_text(const void *a, const void *b) {
	const struct mount_line *x = a, *y = b;
	return strcmp(x->text, y->text);
}

// Reads the mounts below the root: how many there are.
static size_t read_mounts(struct mount_line *found) {
	static char text[65536];
	size_t length = 0, count = 0;
	int fd = openat(FD_PROC, "self/mountinfo", O_RDONLY | O_CLOEXEC);
	for (ssize_t n; length < sizeof text - 1 && (n = read(fd, text + length, sizeof text - 1 - length)) > 0;) length += (size_t)n;
	close(fd);
	text[length] = 0;
	char *state;
	for (char *line = strtok_r(text, "\n", &state); line != NULL && count < MOUNTS_MAX; line = strtok_r(NULL, "\n", &state)) {
		char *words[32], *in_line;
		int n = 0;
		for (char *word = strtok_r(line, " ", &in_line); word != NULL && n < 32; word = strtok_r(NULL, " ", &in_line)) words[n++] = word;
		if (n < 7) continue;
		// What lies outside of the root is the name of the run.
		char *outside = strstr(words[3], "/cwd/s");
		if (outside != NULL) words[3] = outside + 5 + strcspn(outside + 5, "/");
		else if ((outside = strstr(words[3], "/s")) == words[3]) words[3] += 1 + strcspn(words[3] + 1, "/");
		struct mount_line *m = &found[count++];
		snprintf(m->text, sizeof m->text, "%.60s %.60s %.60s", words[4], words[3], words[5]);
		m->tags[0] = 0;
		for (int i = 6; i < n && strcmp(words[i], "-") != 0; i++) {
			size_t used = strlen(m->tags);
			snprintf(m->tags + used, sizeof m->tags - used, " %s", words[i]);
		}
	}
	return count;
}

// The mounts below the root; groups of peers are numbered as they come.
static void op_mounts(struct op *op) {
	(void)op;
	if (output->has_other_root) {
		say("elsewhere\n");
		return;
	}
	static struct mount_line found[MOUNTS_MAX];
	size_t count = read_mounts(found);
	int groups[2 * MOUNTS_MAX], group_count = 0;
	qsort(found, count, sizeof found[0], by_text);
	for (size_t i = 0; i < count; i++) {
		say("[%s", found[i].text);
		for (char *tag = found[i].tags; (tag = strchr(tag, ' ')) != NULL;) {
			tag++;
			int word = (int)strcspn(tag, ": "), k = 0;
			say(" %.*s", word, tag);
			if (tag[word] != ':') continue;
			int group = atoi(tag + word + 1);
			while (k < group_count && groups[k] != group) k++;
			if (k == group_count && group_count < (int)COUNT(groups)) groups[group_count++] = group;
			say(":%d", k);
		}
		say("] ");
	}
	say("\n");
}

// Takes away what a sequence has mounted below a directory, whose path seen from outside this is.
static void remove_mounts(const char *directory) {
	static char line[8192], place[4096];
	int removed = 1;
	for (int round = 0; removed && round < 500; round++) {
		// What covers the directory itself hides the rest.
		removed = umount2(directory, MNT_DETACH | UMOUNT_NOFOLLOW) == 0;
		FILE *file = removed ? NULL : fdopen(openat(FD_PROC, "self/mountinfo", O_RDONLY | O_CLOEXEC), "r");
		while (file != NULL && !removed && fgets(line, sizeof line, file) != NULL) {
			size_t length = strlen(directory);
			if (sscanf(line, "%*d %*d %*s %*s %4095s", place) != 1 || strncmp(place, directory, length) != 0 || place[length] != '/') continue;
			removed = umount2(place, MNT_DETACH | UMOUNT_NOFOLLOW) == 0;
		}
		if (file != NULL) fclose(file);
	}
}

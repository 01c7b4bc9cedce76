// Operations on files, directories and descriptors.
#include "interp.h"
#include <linux/openat2.h>

#define ARG(i) (op->n[(i) + 1])
#define FD(i) ((int)ARG(i))
#define PATH(i) path_of(op, (i) + 1)
#define DIRFD(i) dirfd_of(op, (i) + 1)

// Times that a sequence has set itself are below this; others are "now".
static void say_time(const char *name, const struct timespec *t) {
	if (t->tv_sec < 1000000000) say(" %s=%ld.%09ld", name, (long)t->tv_sec, (long)t->tv_nsec);
	else say(" %s=now", name);
}

static void say_stat_of(const struct stat *st, int has_time) {
	say("%o", st->st_mode);
	// Directories have other sizes and counts in each file system.
	if (!S_ISDIR(st->st_mode)) say(" links=%ld", (long)st->st_nlink);
	say(" owner=%d:%d", (int)st->st_uid, (int)st->st_gid);
	if (S_ISREG(st->st_mode) || S_ISLNK(st->st_mode)) say(" size=%ld", (long)st->st_size);
	if (has_time && (S_ISREG(st->st_mode) || S_ISDIR(st->st_mode))) say_time("m", &st->st_mtim);
	say("\n");
}
static void say_stat(const struct stat *st) { say_stat_of(st, 1); }

// Files without a name were opened: events call them by their number, which is longer on one side than on the other.
static int has_nameless;
static void op_open(struct op *op) {
	has_nameless |= (FD(2) & O_TMPFILE) == O_TMPFILE;
	result(openat(DIRFD(0), PATH(1), FD(2) | O_NONBLOCK, (mode_t)ARG(3)));
}
static void op_openat2(struct op *op) {
	struct open_how how = {.flags = (uint64_t)ARG(2) | O_NONBLOCK, .mode = (uint64_t)ARG(3), .resolve = (uint64_t)ARG(4)};
	has_nameless |= (how.flags & O_TMPFILE) == O_TMPFILE;
	result(syscall(SYS_openat2, DIRFD(0), PATH(1), &how, sizeof how));
}
static void op_close(struct op *op) { result(close(FD(0))); }
static void op_closerange(struct op *op) {
	unsigned last = (unsigned)ARG(1);
	result(syscall(SYS_close_range, (unsigned)ARG(0), last > FD_LIMIT ? FD_LIMIT : last, FD(2)));
}
static void op_dup(struct op *op) { result(dup(FD(0))); }
static void op_dup2(struct op *op) { result(FD(1) >= FD_PROGRAM ? -2 : dup2(FD(0), FD(1))); }
static void op_dup3(struct op *op) { result(FD(1) >= FD_PROGRAM ? -2 : dup3(FD(0), FD(1), FD(2))); }
// Whether the descriptor is a memory file: tmpfs gives all its files seals, other file systems none.
static int is_memfd(int fd) {
	char link[40], target[64];
	snprintf(link, sizeof link, "self/fd/%d", fd);
	long got = readlinkat(FD_PROC, link, target, sizeof target);
	return got > 7 && memcmp(target, "/memfd:", 7) == 0;
}
static void op_fcntl(struct op *op) {
	if ((FD(1) == F_ADD_SEALS || FD(1) == F_GET_SEALS) && fcntl(FD(0), F_GETFD) != -1 && !is_memfd(FD(0))) {
		say("no\n");
		return;
	}
	// Pages that a pipe or socket has cannot be sealed.
	if (FD(1) == F_ADD_SEALS && output->has_spliced) {
		say("spliced\n");
		return;
	}
	long arg = ARG(2);
	if (FD(1) == F_SETFL) arg |= O_NONBLOCK;
	long value = fcntl(FD(0), FD(1), arg);
	if (FD(1) == F_GETOWN && value > 1) say("somebody\n");
	else result(value);
}
static void op_lock(struct op *op) {
	struct flock lock = {.l_type = (short)ARG(2), .l_whence = (short)ARG(3), .l_start = ARG(4), .l_len = ARG(5)};
	int command = FD(1) == F_SETLKW ? F_SETLK : FD(1) == F_OFD_SETLKW ? F_OFD_SETLK : FD(1);
	long value = fcntl(FD(0), command, &lock);
	if (value == 0 && (command == F_GETLK || command == F_OFD_GETLK)) {
		say("type=%d", lock.l_type);
		if (lock.l_type != F_UNLCK) {
			say(" whence=%d start=%ld len=%ld pid=%s", lock.l_whence, (long)lock.l_start, (long)lock.l_len,
			    lock.l_pid == -1         ? "none"
			    : lock.l_pid == getpid() ? "own"
			                             : "other");
		}
		say("\n");
	} else result(value);
}
static void op_flock(struct op *op) { result(flock(FD(0), FD(1) | LOCK_NB)); }

// Event descriptors, inotify and the like.
static int is_eventful(int fd) {
	struct stat st;
	return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == 0;
}
// Records of events and signals have numbers of this run in them, and names of any length.
static void result_read(int fd, long got) {
	struct stat st;
	if (got >= 16 && is_eventful(fd)) say("events\n");
	else if (got > 0 && output->has_spliced && fstat(fd, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode))) say("%ld\n", got);
	else result_bytes(got, buffer);
}
static void op_read(struct op *op) { result_read(FD(0), read(FD(0), buffer, clip(ARG(1)))); }
static void op_pread(struct op *op) { result_bytes(pread(FD(0), buffer, clip(ARG(1)), ARG(2)), buffer); }
static int vectors(struct op *op, int from, struct iovec *iov) {
	size_t at = 0;
	int count = 0;
	for (int i = from; i + 1 < op->count && count < 4; i++, count++) {
		iov[count].iov_base = buffer + at;
		iov[count].iov_len = clip(ARG(i)) / 4;
		at += iov[count].iov_len;
	}
	return count;
}
static void op_readv(struct op *op) {
	struct iovec iov[4];
	result_read(FD(0), readv(FD(0), iov, vectors(op, 1, iov)));
}
static void op_preadv2(struct op *op) {
	struct iovec iov[4];
	int count = vectors(op, 3, iov);
	result_read(FD(0), preadv2(FD(0), iov, count, ARG(1), FD(2)));
}
// How much fits into a pipe or socket that is nearly full depends on how their pieces are counted: they are kept emptier.
static int is_filling(int fd, long length) {
	struct stat st;
	int used = 0, type = 0;
	socklen_t size = sizeof type;
	if (fstat(fd, &st) < 0 || (!S_ISFIFO(st.st_mode) && !S_ISSOCK(st.st_mode))) return 0;
	// Whether an empty packet counts when its receiver is gone depends on the version.
	if (length == 0 && S_ISSOCK(st.st_mode) && getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET) {
		say("empty packet\n");
		return 1;
	}
	if (S_ISFIFO(st.st_mode)) ioctl(fd, FIONREAD, &used);
	if (used + length <= (S_ISFIFO(st.st_mode) ? 16384 : 4096)) return 0;
	say("would fill it\n");
	return 1;
}
static long vectors_length(const struct op *op, int from) {
	long sum = 0;
	for (int i = from; i + 1 < op->count; i++) sum += (long)clip(op->n[i + 1]) / 4;
	return sum;
}
static void op_write(struct op *op) {
	if (is_filling(FD(0), (long)clip(ARG(1)))) return;
	fill(buffer, clip(ARG(1)), ARG(2));
	result(write(FD(0), buffer, clip(ARG(1))));
}
static void op_pwrite(struct op *op) {
	fill(buffer, clip(ARG(1)), ARG(3));
	result(pwrite(FD(0), buffer, clip(ARG(1)), ARG(2)));
}
static void op_writev(struct op *op) {
	struct iovec iov[4];
	if (is_filling(FD(0), vectors_length(op, 1))) return;
	fill(buffer, BUFFER_SIZE, 5);
	result(writev(FD(0), iov, vectors(op, 1, iov)));
}
static void op_pwritev2(struct op *op) {
	struct iovec iov[4];
	if (is_filling(FD(0), vectors_length(op, 3))) return;
	fill(buffer, BUFFER_SIZE, 6);
	int count = vectors(op, 3, iov);
	result(pwritev2(FD(0), iov, count, ARG(1), FD(2)));
}
static void op_lseek(struct op *op) {
	struct stat st;
	// Positions in directories mean something to their file system alone.
	if (fstat(FD(0), &st) == 0 && S_ISDIR(st.st_mode) && (FD(2) != SEEK_SET || ARG(1) != 0)) say("directory\n");
	// What is allocated and not written is data or a hole, as the file system likes.
	else if ((FD(2) == SEEK_DATA || FD(2) == SEEK_HOLE) && output->has_allocated) say("allocated\n");
	else result(lseek(FD(0), ARG(1), FD(2)));
}
static void op_ftruncate(struct op *op) { result(ftruncate(FD(0), ARG(1))); }
static void op_truncate(struct op *op) { result(truncate(PATH(0), ARG(1))); }
static void op_fallocate(struct op *op) {
	if (!(FD(1) & FALLOC_FL_PUNCH_HOLE)) output->has_allocated = 1;
	result(fallocate(FD(0), FD(1), ARG(2), ARG(3)));
}
static void op_fsync(struct op *op) { result(fsync(FD(0))); }
static void op_fdatasync(struct op *op) { result(fdatasync(FD(0))); }
static void op_syncrange(struct op *op) { result(sync_file_range(FD(0), ARG(1), ARG(2), (unsigned)ARG(3))); }
static void op_fadvise(struct op *op) { done(syscall(SYS_fadvise64, FD(0), ARG(1), ARG(2), FD(3)) == 0 ? 0 : -1); }
static void op_readahead(struct op *op) { result(readahead(FD(0), ARG(1), (size_t)ARG(2))); }

static void op_fstat(struct op *op) {
	struct stat st;
	if (fstat(FD(0), &st) == -1) result(-1);
	else say_stat(&st);
}
static void op_stat(struct op *op) {
	struct stat st;
	if (fstatat(DIRFD(0), PATH(1), &st, FD(2)) == -1) result(-1);
	else say_stat(&st);
}
static void op_statx(struct op *op) {
	struct statx st;
	memset(&st, 0xee, sizeof st);
	if (syscall(SYS_statx, DIRFD(0), PATH(1), FD(2), (unsigned)ARG(3), &st) == -1) {
		result(-1);
		return;
	}
	struct stat plain = {.st_mode = st.stx_mode,
	                     .st_nlink = st.stx_nlink,
	                     .st_uid = st.stx_uid,
	                     .st_gid = st.stx_gid,
	                     .st_size = (off_t)st.stx_size,
	                     .st_mtim = {st.stx_mtime.tv_sec, st.stx_mtime.tv_nsec}};
	// Linux 6.13 leaves out times that were not asked for; it may.
	say_stat_of(&plain, (ARG(3) & STATX_MTIME) != 0);
}
// Whether two names are the same file.
static void op_same(struct op *op) {
	struct stat a, b;
	if (stat(PATH(0), &a) == -1 || stat(PATH(1), &b) == -1) result(-1);
	else say("%s\n", a.st_ino == b.st_ino && a.st_dev == b.st_dev ? "same" : "different");
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }
// Entries of different lengths, and not room for all: in how many calls they come, which a watch counts, depends on their order,
// and so on the file system. "." and ".." come first and fill 24 bytes each, like all short names.
static int is_uneven(int fd, long size) {
	long sum = 0, longest = 0;
	long got;
	if (size < 24) return 0;
	while ((got = syscall(SYS_getdents64, fd, buffer, BUFFER_SIZE)) > 0) {
		for (long at = 0; at < got;) {
			const struct dirent64 *entry = (const void *)(buffer + at);
			at += entry->d_reclen;
			sum += entry->d_reclen;
			if (entry->d_reclen > longest) longest = entry->d_reclen;
		}
	}
	lseek(fd, 0, SEEK_SET);
	return longest > 24 && sum > size;
}
// All entries, sorted. Always from the start: whether entries made since show up behind another position, and so how often
// a watch tells of a read, is open.
static void op_getdents(struct op *op) {
	static char text[16384];
	char *names[512];
	size_t count = 0, used = 0;
	long got;
	if (lseek(FD(0), 0, SEEK_CUR) > 0) lseek(FD(0), 0, SEEK_SET);
	if (is_uneven(FD(0), (long)clip(ARG(1)))) {
		say("uneven\n");
		return;
	}
	while ((got = syscall(SYS_getdents64, FD(0), buffer, clip(ARG(1)))) > 0) {
		for (long at = 0; at < got;) {
			const struct dirent64 *entry = (const void *)(buffer + at);
			at += entry->d_reclen;
			if (count == COUNT(names) || used + 300 > sizeof text) continue;
			names[count++] = text + used;
			used += (size_t)snprintf(text + used, 300, "%s:%d", entry->d_name, entry->d_type) + 1;
		}
	}
	// Which entries come before one that does not fit is the file system's choice.
	if (got < 0) count = 0;
	qsort(names, count, sizeof names[0], by_name);
	for (size_t i = 0; i < count; i++) say("%s ", names[i]);
	result(got);
}

static int is_same_file(int a, int b) {
	struct stat x, y;
	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && S_ISREG(x.st_mode) && x.st_ino == y.st_ino && x.st_dev == y.st_dev;
}
static void op_copyrange(struct op *op) {
	off_t in = ARG(2), out = ARG(3);
	long value = copy_file_range(FD(0), in < 0 ? NULL : &in, FD(1), out < 0 ? NULL : &out, clip(ARG(4)), (unsigned)ARG(5));
	say("in=%ld out=%ld ", (long)in, (long)out);
	result(value);
}
// Pipes and sockets get a file's own pages on Linux, and show what is written to the file later.
static void note_spliced(int from, int to, long moved) {
	struct stat a, b;
	if (moved > 0 && fstat(from, &a) == 0 && S_ISREG(a.st_mode) && fstat(to, &b) == 0 && (S_ISFIFO(b.st_mode) || S_ISSOCK(b.st_mode))) output->has_spliced = 1;
}
static void op_sendfile(struct op *op) {
	if (is_filling(FD(0), (long)clip(ARG(3)))) return;
	off_t offset = ARG(2);
	// A range of a file onto one that overlaps it: the order of bytes is open.
	long distance = (offset < 0 ? lseek(FD(1), 0, SEEK_CUR) : offset) - lseek(FD(0), 0, SEEK_CUR);
	if (is_same_file(FD(0), FD(1)) && labs(distance) < (long)clip(ARG(3))) {
		say("overlapping\n");
		return;
	}
	long value = sendfile(FD(0), FD(1), offset < 0 ? NULL : &offset, clip(ARG(3)));
	int error = errno;
	note_spliced(FD(1), FD(0), value);
	errno = error;
	say("offset=%ld ", (long)offset);
	result(value);
}
static void op_splice(struct op *op) {
	if (is_filling(FD(1), (long)clip(ARG(4)))) return;
	loff_t in = ARG(2), out = ARG(3);
	long value = splice(FD(0), in < 0 ? NULL : &in, FD(1), out < 0 ? NULL : &out, clip(ARG(4)), (unsigned)ARG(5) | SPLICE_F_NONBLOCK);
	int error = errno;
	note_spliced(FD(0), FD(1), value);
	errno = error;
	say("in=%ld out=%ld ", (long)in, (long)out);
	result(value);
}
static void op_tee(struct op *op) {
	if (!is_filling(FD(1), (long)clip(ARG(2)))) result(tee(FD(0), FD(1), clip(ARG(2)), SPLICE_F_NONBLOCK));
}
static void op_vmsplice(struct op *op) {
	if (is_filling(FD(0), (long)clip(ARG(1)))) return;
	// The pipe may refer to the pages themselves: they never change.
	static unsigned char pages[BUFFER_SIZE] __attribute__((aligned(4096)));
	if (pages[0] == 0) fill(pages, sizeof pages, 9);
	int is_read = (fcntl(FD(0), F_GETFL) & O_ACCMODE) == O_RDONLY;
	struct iovec iov = {is_read ? buffer : pages, clip(ARG(1))};
	long value = vmsplice(FD(0), &iov, 1, SPLICE_F_NONBLOCK);
	if (is_read) result_read(FD(0), value);
	else result(value);
}
static void op_fionread(struct op *op) {
	int value = -7;
	// Epoll descriptors say EINVAL since Linux 6.9.
	if (ioctl(FD(0), FIONREAD, &value) == -1) say("%s\n", errno == EINVAL ? "ENOTTY" : ename(errno));
	// Events of files without a name have their number, of any length, for one.
	else if (value >= 32 && is_eventful(FD(0))) say("events\n");
	else say("%d\n", value);
}
static void op_cloexec(struct op *op) { result(ioctl(FD(0), ARG(1) ? FIOCLEX : FIONCLEX)); }
static void op_memfd(struct op *op) { result(memfd_create(PATH(0), (unsigned)ARG(1))); }

static void op_mkdir(struct op *op) { result(mkdirat(DIRFD(0), PATH(1), (mode_t)ARG(2))); }
static void op_unlink(struct op *op) { result(unlinkat(DIRFD(0), PATH(1), FD(2))); }
static void op_rmdir(struct op *op) { result(rmdir(PATH(0))); }
static void op_rename(struct op *op) {
	if (ARG(4) == 0) result(renameat(DIRFD(0), PATH(1), DIRFD(2), PATH(3)));
	else result(renameat2(DIRFD(0), PATH(1), DIRFD(2), PATH(3), (unsigned)ARG(4)));
}
static void op_link(struct op *op) { result(linkat(DIRFD(0), PATH(1), DIRFD(2), PATH(3), FD(4))); }
static void op_symlink(struct op *op) { result(symlinkat(PATH(0), DIRFD(1), PATH(2))); }
static void op_readlink(struct op *op) {
	long value = readlinkat(DIRFD(0), PATH(1), (char *)buffer, clip(ARG(2)));
	result_bytes(value, buffer);
}
static void op_mknod(struct op *op) { result(mknodat(DIRFD(0), PATH(1), (mode_t)ARG(2), 0)); }
static void op_chmod(struct op *op) { result(syscall(SYS_fchmodat, DIRFD(0), PATH(1), (mode_t)ARG(2))); }
// Epoll and its like refuse modes and owners since Linux 6.17.
static int is_nameless(int fd) {
	struct stat st;
	if (fstat(fd, &st) < 0 || (st.st_mode & S_IFMT) != 0) return 0;
	say("nameless\n");
	return 1;
}
// The file that a path argument means: none of its own when it is empty.
static int is_nameless_at(struct op *op, int dir, const char *path, int flags) {
	return ((flags & AT_EMPTY_PATH) || path == NULL) && (path == NULL || *path == 0) && is_nameless(DIRFD(dir));
}
static void op_fchmodat2(struct op *op) {
	const char *path = PATH(1);
	if (!is_nameless_at(op, 0, path, FD(3))) result(syscall(452, DIRFD(0), path, (mode_t)ARG(2), FD(3)));
}
static void op_chown(struct op *op) {
	const char *path = PATH(1);
	if (!is_nameless_at(op, 0, path, FD(4))) result(fchownat(DIRFD(0), path, (uid_t)ARG(2), (gid_t)ARG(3), FD(4)));
}
static void op_fchmod(struct op *op) {
	if (!is_nameless(FD(0))) result(fchmod(FD(0), (mode_t)ARG(1)));
}
static void op_fchown(struct op *op) {
	if (!is_nameless(FD(0))) result(fchown(FD(0), (uid_t)ARG(1), (gid_t)ARG(2)));
}
static void op_utimens(struct op *op) {
	struct timespec times[2] = {{ARG(2), ARG(3)}, {ARG(4), ARG(5)}};
	const char *path = strcmp(op->word[2], "null") == 0 ? NULL : PATH(1);
	if (!is_nameless_at(op, 0, path, FD(6))) result(syscall(SYS_utimensat, DIRFD(0), path, times, FD(6)));
}
static void op_access(struct op *op) { result(syscall(SYS_faccessat2, DIRFD(0), PATH(1), FD(2), FD(3))); }
static void op_chdir(struct op *op) { result(chdir(PATH(0))); }
static void op_fchdir(struct op *op) { result(fchdir(FD(0))); }
static void op_getcwd(struct op *op) {
	long value = syscall(SYS_getcwd, buffer, clip(ARG(0)));
	if (value == -1) result(-1);
	// Outside of the root is the name of the run.
	else if (buffer[0] != '/') say("unreachable\n");
	else say("%ld %s\n", value, buffer);
}
static void op_umask(struct op *op) { say("%o\n", umask((mode_t)ARG(0))); }

static void op_setxattr(struct op *op) {
	fill(buffer, clip(ARG(2)), 3);
	result(lsetxattr(PATH(0), op->word[2], buffer, clip(ARG(2)), FD(3)));
}
static void op_getxattr(struct op *op) { result_bytes(lgetxattr(PATH(0), op->word[2], ARG(2) == 0 ? NULL : buffer, clip(ARG(2))), buffer); }
static void op_fsetxattr(struct op *op) {
	fill(buffer, clip(ARG(2)), 4);
	result(fsetxattr(FD(0), op->word[2], buffer, clip(ARG(2)), FD(3)));
}
static void op_fgetxattr(struct op *op) { result_bytes(fgetxattr(FD(0), op->word[2], buffer, clip(ARG(2))), buffer); }
static void op_listxattr(struct op *op) {
	long value = llistxattr(PATH(0), (char *)buffer, clip(ARG(1)));
	uint32_t sum = 0;
	for (long at = 0; at < value; at += (long)strlen((char *)buffer + at) + 1) sum += checksum(buffer + at, strlen((char *)buffer + at));
	if (value <= 0) result(value);
	else say("%ld %08x\n", value, sum);
}
static void op_removexattr(struct op *op) { result(lremovexattr(PATH(0), op->word[2])); }

// What the sequence has left in a directory, recursively.
static void say_tree(int dir, const char *name, int depth) {
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		say("tree %s: %s\n", name, ename(errno));
		return;
	}
	DIR *stream = fdopendir(fd);
	char *names[256];
	size_t count = 0;
	for (struct dirent *entry; (entry = readdir(stream)) != NULL && count < COUNT(names);) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) names[count++] = strdup(entry->d_name);
	}
	qsort(names, count, sizeof names[0], by_name);
	for (size_t i = 0; i < count; i++) {
		struct stat st;
		say("tree %*s%.20s ", depth * 2, "", names[i]);
		if (fstatat(fd, names[i], &st, AT_SYMLINK_NOFOLLOW) < 0) {
			say("%s\n", ename(errno));
			continue;
		}
		if (S_ISREG(st.st_mode)) {
			int file = openat(fd, names[i], O_RDONLY | O_CLOEXEC);
			long got = file < 0 ? -1 : pread(file, buffer, BUFFER_SIZE, 0);
			if (got > 0) say("%08x ", checksum(buffer, (size_t)got));
			close(file);
		} else if (S_ISLNK(st.st_mode)) {
			long got = readlinkat(fd, names[i], (char *)buffer, 256);
			if (got >= 0) say("-> %.*s ", (int)(got > 20 ? 20 : got), buffer);
		}
		say_stat(&st);
		if (S_ISDIR(st.st_mode) && depth < 6) say_tree(fd, names[i], depth + 1);
	}
	for (size_t i = 0; i < count; i++) free(names[i]);
	closedir(stream);
}

// Each open descriptor: what it is, its flags and position.
static void op_fds(struct op *op) {
	(void)op;
	for (int fd = 0; fd < FD_LIMIT; fd++) {
		struct stat st;
		int flags = fcntl(fd, F_GETFD);
		if (flags == -1) continue;
		say("%d:%d:%o:", fd, flags, fcntl(fd, F_GETFL));
		if (fstat(fd, &st) < 0) {
			say("%s ", ename(errno));
			continue;
		}
		say("%o", st.st_mode & S_IFMT);
		if (S_ISREG(st.st_mode)) say("@%ld", (long)lseek(fd, 0, SEEK_CUR));
		say(" ");
	}
	say("\n");
}

// Operations on the arena: pages that come, go, move and change, and what they contain.
#include "interp.h"

static _Thread_local sigjmp_buf fault_jump;
static _Thread_local volatile int is_probing;
static _Thread_local volatile int fault_signal;
static _Thread_local volatile int fault_code;

// SIGSEGV and SIGBUS: of a probe, back to it; of anything else, the end.
static void on_fault(int sig, siginfo_t *info, void *context) {
	(void)context;
	if (!is_probing || info->si_code <= 0) {
		say("fault outside of a probe: signal %d code %d\n", sig, info->si_code);
		_exit(90);
	}
	fault_signal = sig;
	fault_code = info->si_code;
	siglongjmp(fault_jump, 1);
}

static void say_fault(void) {
	const char *code = "?";
	if (fault_signal == SIGSEGV) code = fault_code == SEGV_MAPERR ? "MAPERR" : fault_code == SEGV_ACCERR ? "ACCERR" : "?";
	if (fault_signal == SIGBUS) code = fault_code == BUS_ADRERR ? "ADRERR" : "?";
	say("%s:%s", fault_signal == SIGSEGV ? "SEGV" : "BUS", code);
}

// Which pages are one mapping for certain: those that one call has made, until another one changes some of them. Whether neighbours
// that are alike have become one is the kernel's affair.
#define PLACES (4 * ARENA_PAGES)
static int mapping_of[PLACES], mapping_count;

static long within(long page) { return page < 0 ? 0 : page > PLACES ? PLACES : page; }
// The pages are one mapping now.
static void one_mapping(long page, long pages) {
	mapping_count++;
	for (long i = within(page); i < within(page + pages); i++) mapping_of[i] = mapping_count;
}
// Something was done to these pages: what they were part of may end where they begin.
static void parted(long page, long pages) {
	int last = -1;
	for (long i = within(page); i < within(page + pages); i++) {
		if (mapping_of[i] != last) mapping_count++;
		last = mapping_of[i];
		mapping_of[i] = mapping_count;
	}
}
// Nothing is known of the pages from there on.
static void unknown_mappings(long page) {
	for (long i = within(page); i < PLACES; i++) mapping_of[i] = ++mapping_count;
}
static int is_one_mapping(long page, long pages) {
	for (long i = within(page); i < within(page + pages); i++) {
		if (mapping_of[i] != mapping_of[within(page)]) return 0;
	}
	return 1;
}
static long page_of(const void *at) { return ((long)at - (long)ARENA) / PAGE; }

static void op_mmap(struct op *op) {
	// page, pages, prot, flags, fd, offset in pages
	long flags = ARG(3);
	if (!(flags & MAP_FIXED_NOREPLACE)) flags |= MAP_FIXED;
	flags &= ~(long)(MAP_HUGETLB | MAP_GROWSDOWN);
	void *at = mmap(arena(ARG(0), 0), (size_t)(ARG(1) * PAGE), FD(2), (int)flags, FD(4), ARG(5) * PAGE);
	parted(ARG(0), ARG(1));
	if (at == MAP_FAILED) {
		result(-1);
		return;
	}
	one_mapping(page_of(at), ARG(1));
	say("page %ld\n", page_of(at));
}
static void op_munmap(struct op *op) {
	parted(ARG(0), ARG(1));
	result(munmap(arena(ARG(0), 0), (size_t)(ARG(1) * PAGE)));
}
static void op_mprotect(struct op *op) {
	parted(ARG(0), ARG(1));
	result(mprotect(arena(ARG(0), 0), (size_t)(ARG(1) * PAGE), FD(2)));
}
// Whether the range is mapped throughout, with one protection, of one file or of none.
static int is_alike(const char *at, long length) {
	char line[512], first[8] = "";
	unsigned long next = (unsigned long)at, last_inode = 0;
	int fd = openat(FD_PROC, "self/maps", O_RDONLY | O_CLOEXEC);
	FILE *maps = fd < 0 ? NULL : fdopen(fd, "r");
	while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
		unsigned long start, end, inode;
		char prot[8];
		if (sscanf(line, "%lx-%lx %7s %*s %*s %lu", &start, &end, prot, &inode) != 4 || end <= next) continue;
		if (start > next || (first[0] != 0 && (strcmp(first, prot) != 0 || inode != last_inode))) break;
		strcpy(first, prot);
		last_inode = inode;
		next = end;
		if (next >= (unsigned long)at + (unsigned long)length) break;
	}
	if (maps != NULL) fclose(maps);
	return next >= (unsigned long)at + (unsigned long)length;
}
static void op_mremap(struct op *op) {
	// old page, old pages, new pages, flags, new page
	char *old = arena(ARG(0), 0);
	long pages = ARG(2);
	int is_fixed = (FD(3) & (MREMAP_FIXED | MREMAP_DONTUNMAP)) != 0;
	// Several mappings can be moved at once since Linux 6.17.
	if (!is_one_mapping(ARG(0), ARG(1)) && (is_fixed || (pages > ARG(1) && is_alike(old, ARG(1) * PAGE)))) {
		say("not one mapping\n");
		return;
	}
	void *at = mremap(old, (size_t)(ARG(1) * PAGE), (size_t)(pages * PAGE), FD(3), arena(ARG(4), 0));
	parted(ARG(0), ARG(1) > pages ? ARG(1) : pages);
	if (FD(3) & MREMAP_FIXED) parted(ARG(4), pages);
	if (at != MAP_FAILED && (at != (void *)old || pages > ARG(1))) one_mapping(page_of(at), pages);
	if (at == MAP_FAILED) result(-1);
	else if ((char *)at >= arena(0, 0) && (char *)at < arena(2 * ARENA_PAGES, 0)) say("page %ld\n", page_of(at));
	else {
		say("moved\n");
		munmap(at, (size_t)(pages * PAGE));
	}
}
static void op_madvise(struct op *op) {
	parted(ARG(0), ARG(1));
	result(madvise(arena(ARG(0), 0), (size_t)(ARG(1) * PAGE), FD(2)));
}
static void op_msync(struct op *op) { result(msync(arena(ARG(0), 0), (size_t)(ARG(1) * PAGE), FD(2))); }
static void op_mlock(struct op *op) {
	parted(ARG(0), ARG(1));
	result(syscall(SYS_mlock2, arena(ARG(0), 0), (size_t)(ARG(1) * PAGE), FD(2)));
}
static void op_munlock(struct op *op) {
	parted(ARG(0), ARG(1));
	result(munlock(arena(ARG(0), 0), (size_t)(ARG(1) * PAGE)));
}
static void op_mincore(struct op *op) {
	size_t pages = clip(ARG(1));
	done(mincore(arena(ARG(0), 0), pages * (size_t)PAGE, buffer));
}

// Whether the byte is mapped and may not be written.
static int is_read_only(const char *at) {
	char line[512];
	int found = 0, fd = openat(FD_PROC, "self/maps", O_RDONLY | O_CLOEXEC);
	FILE *maps = fd < 0 ? NULL : fdopen(fd, "r");
	while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
		unsigned long start, end;
		char prot[8];
		if (sscanf(line, "%lx-%lx %7s", &start, &end, prot) == 3 && start <= (unsigned long)at && end > (unsigned long)at) found = prot[1] != 'w';
	}
	if (maps != NULL) fclose(maps);
	return found;
}

// Stores bytes: page, offset, count, seed.
static void op_poke(struct op *op) {
	char *at = arena(ARG(0), ARG(1));
	volatile long i = 0;
	is_probing = 1;
	if (sigsetjmp(fault_jump, 1) == 0) {
		for (; i < ARG(2); i++) *(volatile char *)(at + i) = (char)(ARG(3) + i);
		say("ok\n");
	} else {
		is_probing = 0;
		say("%ld stored, ", (long)i);
		if (output->is_access_unknown && is_read_only(at + i)) say("fault");
		else say_fault();
		say("\n");
	}
	is_probing = 0;
}

// Stores as much of the bytes as can be stored.
static void store(void *at, size_t length, char byte) {
	is_probing = 1;
	if (sigsetjmp(fault_jump, 1) == 0) {
		for (size_t i = 0; i < length; i++) ((volatile char *)at)[i] = byte;
	}
	is_probing = 0;
}

static void say_page(const char *page) {
	is_probing = 1;
	if (sigsetjmp(fault_jump, 1) == 0) {
		uint32_t sum = checksum(page, (size_t)PAGE);
		is_probing = 0;
		say("%08x", sum);
	} else {
		is_probing = 0;
		say_fault();
	}
}

// Content of pages; runs of equal ones are told once.
static void op_peek(struct op *op) {
	for (long i = 0; i < ARG(1) && i < 2 * ARENA_PAGES; i++) {
		say_page(arena(ARG(0) + i, 0));
		say(" ");
	}
	say("\n");
}

// Whether a buffer is a mapping of the file itself, whose content or end changes while it is written.
static int is_own_mapping(int fd, const char *at, size_t length) {
	char line[512];
	struct stat st;
	int found = 0;
	if (length == 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) return 0;
	int maps = openat(FD_PROC, "self/maps", O_RDONLY | O_CLOEXEC);
	FILE *file = maps < 0 ? NULL : fdopen(maps, "r");
	while (file != NULL && fgets(line, sizeof line, file) != NULL) {
		unsigned long start, end, inode;
		unsigned major, minor;
		if (sscanf(line, "%lx-%lx %*s %*s %x:%x %lu", &start, &end, &major, &minor, &inode) != 5) continue;
		if (inode != st.st_ino || makedev(major, minor) != st.st_dev) continue;
		if (start < (unsigned long)at + length && end > (unsigned long)at) found = 1;
	}
	if (file != NULL) fclose(file);
	if (found) say("own mapping\n");
	return found;
}
static void probe(volatile char *at, int to_write) {
	char byte = *at;
	if (to_write) *at = byte;
}
static int is_accessible(char *at, size_t length, int to_write) {
	volatile int good = 0;
	is_probing = 1;
	if (sigsetjmp(fault_jump, 1) == 0) {
		for (size_t i = 0; i < length; i += PAGE) probe(at + i, to_write);
		if (length > 0) probe(at + length - 1, to_write);
		good = 1;
	}
	is_probing = 0;
	return good;
}
// How much of a buffer that is there in part goes into or out of a pipe that has something depends on how its pages are filled.
static int is_partly(int fd, char *at, size_t length, int to_write) {
	struct stat st;
	int used = 0;
	if (fstat(fd, &st) < 0 || !S_ISFIFO(st.st_mode) || ioctl(fd, FIONREAD, &used) < 0 || used == 0 || is_accessible(at, length, to_write)) return 0;
	say("partly there\n");
	return 1;
}
static size_t length_of(long length) { return length < 0 ? 1 << 20 : (size_t)length; }
// System calls on the arena: fd, page, offset, length. Whether a bad buffer or a seal is told first has changed.
static int is_sealed(struct op *op) {
	if (is_filling(FD(0), ARG(3) + ARG(6)) || is_own_mapping(FD(0), arena(ARG(1), ARG(2)), length_of(ARG(3)))) return 1;
	if (is_partly(FD(0), arena(ARG(1), ARG(2)), length_of(ARG(3)), 0) || (op->count > 6 && is_partly(FD(0), arena(ARG(4), ARG(5)), length_of(ARG(6)), 0))) return 1;
	if (op->count > 6 && is_own_mapping(FD(0), arena(ARG(4), ARG(5)), length_of(ARG(6)))) return 1;
	int seals = fcntl(FD(0), F_GET_SEALS);
	if (seals == -1 || (seals & (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_FUTURE_WRITE)) == 0) return 0;
	say("sealed\n");
	return 1;
}
// What a socket or pipe has put into the buffer of a read that failed is open; records of signals and events have numbers of their own.
static void result_of_read(int fd, long value, char *at, size_t length, char *more, size_t more_length) {
	int error = errno;
	struct stat st;
	if (fstat(fd, &st) == 0 && ((st.st_mode & S_IFMT) == 0 ? length + more_length >= 16 : value == -1 && error == EFAULT && (S_ISSOCK(st.st_mode) || S_ISFIFO(st.st_mode)))) {
		store(at, length, 7);
		store(more, more_length, 7);
	}
	errno = error;
	if (value >= 16 && (st.st_mode & S_IFMT) == 0) say("events\n");
	else result(value);
}
static void op_mread(struct op *op) {
	char *at = arena(ARG(1), ARG(2));
	size_t length = length_of(ARG(3));
	if (!is_own_mapping(FD(0), at, length) && !is_partly(FD(0), at, length, 1)) result_of_read(FD(0), read(FD(0), at, length), at, length, at, 0);
}
static void op_mpread(struct op *op) {
	if (!is_own_mapping(FD(0), arena(ARG(1), ARG(2)), length_of(ARG(3)))) result(pread(FD(0), arena(ARG(1), ARG(2)), length_of(ARG(3)), ARG(4)));
}
// Linux makes a file longer up to the position even if nothing could be written there.
static void write_result(int fd, long value, const struct stat *before) {
	result(value);
	if (value != -1 || !S_ISREG(before->st_mode)) return;
	// Made shorter again in any case, which clears the rest of the last page.
	(void)!ftruncate(fd, before->st_size + 1);
	(void)!ftruncate(fd, before->st_size);
}
static void op_mwrite(struct op *op) {
	struct stat st = {0};
	if (is_sealed(op)) return;
	fstat(FD(0), &st);
	write_result(FD(0), write(FD(0), arena(ARG(1), ARG(2)), length_of(ARG(3))), &st);
}
static void op_mpwrite(struct op *op) {
	struct stat st = {0};
	if (is_sealed(op)) return;
	fstat(FD(0), &st);
	write_result(FD(0), pwrite(FD(0), arena(ARG(1), ARG(2)), length_of(ARG(3)), ARG(4)), &st);
}
static void op_mstat(struct op *op) {
	struct stat *st = (struct stat *)arena(ARG(1), ARG(2));
	long value = fstat(FD(0), st);
	int error = errno;
	// Inode numbers and times are nobody's business, in the first page even if the second is not there.
	if (value == 0 || error == EFAULT) store(st, sizeof *st, 7);
	errno = error;
	result(value);
}
static void op_mreadv(struct op *op) {
	struct iovec iov[2] = {{arena(ARG(1), ARG(2)), (size_t)ARG(3)}, {arena(ARG(4), ARG(5)), (size_t)ARG(6)}};
	if (is_partly(FD(0), iov[0].iov_base, length_of(ARG(3)), 1) || is_partly(FD(0), iov[1].iov_base, length_of(ARG(6)), 1)) return;
	result_of_read(FD(0), readv(FD(0), iov, 2), iov[0].iov_base, iov[0].iov_len, iov[1].iov_base, iov[1].iov_len);
}
static void op_mwritev(struct op *op) {
	struct iovec iov[2] = {{arena(ARG(1), ARG(2)), (size_t)ARG(3)}, {arena(ARG(4), ARG(5)), (size_t)ARG(6)}};
	struct stat st = {0};
	if (is_sealed(op)) return;
	fstat(FD(0), &st);
	write_result(FD(0), writev(FD(0), iov, 2), &st);
}
static void op_mcopy(struct op *op) {
	// process_vm_readv/writev on itself: page, offset, length, to page, to offset. The order of bytes is open.
	if (labs((ARG(0) - ARG(3)) * PAGE + ARG(1) - ARG(4)) < (ARG(2) < 0 ? LONG_MAX : ARG(2))) {
		say("overlapping\n");
		return;
	}
	struct iovec from = {arena(ARG(0), ARG(1)), (size_t)ARG(2)}, to = {arena(ARG(3), ARG(4)), (size_t)ARG(2)};
	if (ARG(5) & 1) result(process_vm_readv(getpid(), &to, 1, &from, 1, 0));
	else result(process_vm_writev(getpid(), &from, 1, &to, 1, 0));
}

// Each run of pages of the arena with the same protection and sharing; then the contents of all of them.
// Returns whether there is anything.
static int say_maps(void) {
	static char text[65536];
	int fd = openat(FD_PROC, "self/maps", O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	for (long got; fd >= 0 && length < sizeof text - 1 && (got = read(fd, text + length, sizeof text - 1 - length)) > 0;) length += (size_t)got;
	text[length] = 0;
	close(fd);
	unsigned long last_end = 0, run_start = 0, last_offset = 0;
	char last_prot[8] = "";
	int last_file = 0;
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
		unsigned long start, end, offset, inode;
		char prot[8];
		if (sscanf(line, "%lx-%lx %7s %lx %*s %lu", &start, &end, prot, &offset, &inode) != 5) continue;
		if (start < ARENA || start >= ARENA + 4 * ARENA_PAGES * PAGE) continue;
		int file = inode != 0;
		if (start == last_end && strcmp(prot, last_prot) == 0 && file == last_file && (!file || offset == last_offset)) {
			last_end = end;
			last_offset = offset + (end - start);
			continue;
		}
		if (last_end != 0) say("%lu+%lu %s%s ", (run_start - ARENA) / PAGE, (last_end - run_start) / PAGE, last_prot, last_file ? "f" : "");
		run_start = start;
		last_end = end;
		last_offset = offset + (end - start);
		last_file = file;
		memcpy(last_prot, prot, sizeof prot);
	}
	if (last_end != 0) say("%lu+%lu %s%s", (run_start - ARENA) / PAGE, (last_end - run_start) / PAGE, last_prot, last_file ? "f" : "");
	say("\n");
	return last_end != 0;
}
static void op_maps(struct op *op) {
	(void)op;
	say_maps();
}

static void op_memory(struct op *op) {
	(void)op;
	if (!say_maps()) return;
	for (long i = 0; i < ARENA_PAGES; i++) {
		say("%s", i % 8 == 0 ? "memory " : " ");
		say_page(arena(i, 0));
		if (i % 8 == 7) say("\n");
	}
}

// The vDSO: a well-formed shared object whose functions agree with the system calls.
#include "check.h"
#include <elf.h>
#include <sys/auxv.h>

static char *base;
static const Elf64_Sym *symbols;
static const char *strings;
static size_t symbol_count;
static intptr_t load_offset;

static void *find(const char *name) {
	for (size_t i = 0; i < symbol_count; i++) {
		if (symbols[i].st_shndx != SHN_UNDEF && strcmp(strings + symbols[i].st_name, name) == 0) return (void *)(load_offset + symbols[i].st_value);
	}
	return NULL;
}

// Number of symbols: from the classic hash table, or walked out of the GNU one.
static size_t count_symbols(const uint32_t *hash, const uint32_t *gnu) {
	if (hash != NULL) return hash[1];
	if (gnu == NULL) return 0;
	uint32_t buckets = gnu[0], offset = gnu[1], bloom = gnu[2], last = 0;
	const uint32_t *bucket = gnu + 4 + bloom * 2, *chain = bucket + buckets;
	for (uint32_t i = 0; i < buckets; i++) last = bucket[i] > last ? bucket[i] : last;
	if (last < offset) return offset;
	while ((chain[last - offset] & 1) == 0) last++;
	return last + 1;
}

int main(void) {
	base = (char *)getauxval(AT_SYSINFO_EHDR);
	if (base == NULL) die("no vDSO");
	const Elf64_Ehdr *ehdr = (const Elf64_Ehdr *)base;
	say("type %d machine %d class %d\n", ehdr->e_type, ehdr->e_machine, ehdr->e_ident[EI_CLASS]);
	const Elf64_Phdr *phdr = (const Elf64_Phdr *)(base + ehdr->e_phoff);
	const Elf64_Dyn *dynamic = NULL;
	for (int i = 0; i < ehdr->e_phnum; i++) {
		if (phdr[i].p_type == PT_LOAD) load_offset = base + phdr[i].p_offset - (char *)phdr[i].p_vaddr;
		if (phdr[i].p_type == PT_DYNAMIC) dynamic = (const Elf64_Dyn *)(base + phdr[i].p_offset);
	}
	YES("has PT_DYNAMIC", dynamic);
	const uint32_t *hash = NULL, *gnu = NULL;
	for (; dynamic->d_tag != DT_NULL; dynamic++) {
		void *p = (void *)(load_offset + dynamic->d_un.d_ptr);
		if (dynamic->d_tag == DT_STRTAB) strings = p;
		if (dynamic->d_tag == DT_SYMTAB) symbols = p;
		if (dynamic->d_tag == DT_HASH) hash = p;
		if (dynamic->d_tag == DT_GNU_HASH) gnu = p;
	}
	symbol_count = count_symbols(hash, gnu);
	int (*gettime)(clockid_t, struct timespec *) = find("__vdso_clock_gettime");
	int (*getday)(struct timeval *, void *) = find("__vdso_gettimeofday");
	time_t (*get_time)(time_t *) = find("__vdso_time");
	int (*cpu)(unsigned *, unsigned *, void *) = find("__vdso_getcpu");
	YES("__vdso_clock_gettime", gettime);
	YES("__vdso_gettimeofday", getday);
	YES("__vdso_time", get_time);
	YES("__vdso_getcpu", cpu);
	static const struct {
		clockid_t id;
		const char *name;
	} clocks[] = {{CLOCK_REALTIME, "REALTIME"}, {CLOCK_MONOTONIC, "MONOTONIC"}, {CLOCK_REALTIME_COARSE, "REALTIME_COARSE"}, {CLOCK_MONOTONIC_COARSE, "MONOTONIC_COARSE"}, {CLOCK_BOOTTIME, "BOOTTIME"}, {CLOCK_MONOTONIC_RAW, "MONOTONIC_RAW"}, {CLOCK_PROCESS_CPUTIME_ID, "PROCESS_CPUTIME"}};
	for (size_t i = 0; i < COUNT(clocks); i++) {
		struct timespec a, b, c;
		int before = (int)syscall(SYS_clock_gettime, clocks[i].id, &a), result = gettime(clocks[i].id, &b);
		syscall(SYS_clock_gettime, clocks[i].id, &c);
		long ab = (b.tv_sec - a.tv_sec) * 1000000000L + b.tv_nsec - a.tv_nsec, bc = (c.tv_sec - b.tv_sec) * 1000000000L + c.tv_nsec - b.tv_nsec;
		say("%s: syscall %d vdso %d between two syscalls: %s, nsec below 1e9: %s\n", clocks[i].name, before, result, yes(ab >= 0 && bc >= 0), yes(b.tv_nsec >= 0 && b.tv_nsec < 1000000000L));
	}
	int backwards = 0;
	struct timespec last = {0, 0}, now;
	for (int i = 0; i < 20000; i++) {
		gettime(CLOCK_MONOTONIC, &now);
		backwards += now.tv_sec < last.tv_sec || (now.tv_sec == last.tv_sec && now.tv_nsec < last.tv_nsec);
		last = now;
	}
	say("monotonic went backwards: %d\n", backwards);
	struct timespec t;
	say("unknown clock: %d\n", gettime(99, &t) == -EINVAL);
	// The first member is written first.
	struct sigaction action = {.sa_sigaction = fault_handler, .sa_flags = SA_SIGINFO | SA_NODEFER};
	sigaction(SIGSEGV, &action, NULL);
	if (sigsetjmp(fault_jump, 1) == 0) gettime(CLOCK_REALTIME, (struct timespec *)LOW);
	say("clock_gettime: %s\n", fault_text((void *)LOW));
	if (sigsetjmp(fault_jump, 1) == 0) getday((struct timeval *)LOW, NULL);
	say("gettimeofday: %s\n", fault_text((void *)LOW));
	signal(SIGSEGV, SIG_DFL);
	struct timeval day;
	say("gettimeofday: %d\n", getday(&day, NULL));
	time_t second = get_time(NULL), stored = 0;
	YES("time within a second of gettimeofday", second - day.tv_sec >= -1 && second - day.tv_sec <= 1);
	second = get_time(&stored);
	YES("time stores what it returns", second == stored);
	unsigned number = 1u << 30, node = 1u << 30;
	say("getcpu: %d\n", cpu(&number, &node, NULL));
	YES("cpu below the number of configured ones", number < (unsigned)sysconf(_SC_NPROCESSORS_CONF));
	say("write to the vDSO: %s\n", probe('w', base));
	return 0;
}

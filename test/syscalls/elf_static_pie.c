// flags: -fPIE -static-pie -nostartfiles -l:rcrt1.o -l:crti.o -l:crtn.o
// A static position-independent executable: relocated, randomised, with AT_BASE 0 and headers at the load address.
#include "check.h"
#include <elf.h>
#include <sys/auxv.h>

extern const Elf64_Ehdr __ehdr_start;
static int *pointer_relocation = &(int){42};
static int (*function_relocation)(const char *) = puts;

int main(int argc, char **argv) {
	if (argc > 1) {
		uintptr_t here = (uintptr_t)&__ehdr_start;
		return write(1, &here, sizeof here) == sizeof here ? 0 : 1;
	}
	say("e_type: %d\n", __ehdr_start.e_type);
	say("magic: %d\n", memcmp(__ehdr_start.e_ident, ELFMAG, 4));
	say("relocated data: %d\n", *pointer_relocation);
	YES("relocated function", function_relocation != NULL);
	say("AT_BASE: %lu\n", getauxval(AT_BASE));
	YES("AT_PHDR follows the ELF header in memory", getauxval(AT_PHDR) == (uintptr_t)&__ehdr_start + __ehdr_start.e_phoff);
	YES("AT_ENTRY is base + e_entry", getauxval(AT_ENTRY) == (uintptr_t)&__ehdr_start + __ehdr_start.e_entry);
	YES("base page aligned", ((uintptr_t)&__ehdr_start & 4095) == 0);
	uintptr_t first = 0;
	int differ = 0;
	for (int i = 0; i < 6; i++) {
		int fds[2];
		uintptr_t seen = 0;
		MUST(pipe(fds));
		pid_t pid = fork();
		if (pid == 0) {
			dup2(fds[1], 1);
			execv("/proc/self/exe", (char *[]){argv[0], "address", NULL});
			_exit(1);
		}
		if (read(fds[0], &seen, sizeof seen) != sizeof seen) die("read");
		close(fds[0]);
		close(fds[1]);
		reap(pid);
		if (i == 0) first = seen;
		differ |= seen != first;
	}
	YES("load address is randomised", differ);
	return 0;
}

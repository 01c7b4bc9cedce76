// The auxiliary vector: which keys are there, and that what they say is true.
#define CHECK_PLAIN_START  // looks at its own initial stack
#include "check.h"
#include <elf.h>
#include <sys/auxv.h>

extern char etext, end;

int main(int argc, char **argv) {
	(void)argc;
	// On the stack after envp; each key at most once, AT_NULL last.
	char **p = environ;
	while (*p != NULL) p++;
	Elf64_auxv_t *auxv = (Elf64_auxv_t *)(p + 1);
	int seen[64] = {0}, terminated = 0;
	for (int i = 0; i < 64; i++) {
		if (auxv[i].a_type == AT_NULL) {
			terminated = 1;
			break;
		}
		if (auxv[i].a_type < 64) seen[auxv[i].a_type]++;
	}
	YES("terminated by AT_NULL", terminated);
	static const struct {
		int key;
		const char *name;
	} keys[] = {{AT_PHDR, "AT_PHDR"}, {AT_PHENT, "AT_PHENT"}, {AT_PHNUM, "AT_PHNUM"}, {AT_PAGESZ, "AT_PAGESZ"}, {AT_BASE, "AT_BASE"}, {AT_FLAGS, "AT_FLAGS"}, {AT_ENTRY, "AT_ENTRY"}, {AT_UID, "AT_UID"}, {AT_EUID, "AT_EUID"}, {AT_GID, "AT_GID"}, {AT_EGID, "AT_EGID"}, {AT_SECURE, "AT_SECURE"}, {AT_CLKTCK, "AT_CLKTCK"}, {AT_HWCAP, "AT_HWCAP"}, {AT_PLATFORM, "AT_PLATFORM"}, {AT_RANDOM, "AT_RANDOM"}, {AT_EXECFN, "AT_EXECFN"}, {AT_SYSINFO_EHDR, "AT_SYSINFO_EHDR"}};
	for (size_t i = 0; i < COUNT(keys); i++) say("%s: %d\n", keys[i].name, seen[keys[i].key]);
	say("AT_PAGESZ = %lu\n", getauxval(AT_PAGESZ));
	say("AT_PHENT = %lu\n", getauxval(AT_PHENT));
	say("AT_CLKTCK = %lu\n", getauxval(AT_CLKTCK));
	say("AT_FLAGS = %lu\n", getauxval(AT_FLAGS));
	say("AT_SECURE = %lu\n", getauxval(AT_SECURE));
	say("AT_BASE = %lu (static)\n", getauxval(AT_BASE));
	say("AT_PLATFORM = %s\n", (const char *)getauxval(AT_PLATFORM));
	YES("AT_UID is getuid", getauxval(AT_UID) == getuid());
	YES("AT_EUID is geteuid", getauxval(AT_EUID) == geteuid());
	YES("AT_GID is getgid", getauxval(AT_GID) == getgid());
	YES("AT_EGID is getegid", getauxval(AT_EGID) == getegid());
	YES("AT_EXECFN is a path that ends like argv[0]", strcmp(basename((char *)getauxval(AT_EXECFN)), basename(argv[0])) == 0);
	const Elf64_Phdr *phdr = (const Elf64_Phdr *)getauxval(AT_PHDR);
	size_t count = getauxval(AT_PHNUM), loads = 0;
	int entry_inside = 0;
	for (size_t i = 0; i < count; i++) {
		if (phdr[i].p_type != PT_LOAD) continue;
		loads++;
		entry_inside |= (phdr[i].p_flags & PF_X) && getauxval(AT_ENTRY) >= phdr[i].p_vaddr && getauxval(AT_ENTRY) < phdr[i].p_vaddr + phdr[i].p_memsz;
	}
	YES("program headers readable and hold PT_LOAD", loads > 1);
	YES("entry inside an executable segment", entry_inside);
	unsigned char random[16], any = 0;
	memcpy(random, (void *)getauxval(AT_RANDOM), 16);
	for (int i = 0; i < 16; i++) any |= random[i];
	YES("AT_RANDOM not all zero", any);
	const unsigned char *vdso = (const unsigned char *)getauxval(AT_SYSINFO_EHDR);
	YES("vDSO is an ELF image", memcmp(vdso, ELFMAG, 4) == 0);
	YES("vDSO page aligned", ((uintptr_t)vdso & 4095) == 0);
	// A second run gets other random bytes.
	if (getenv("CHECK_SECOND") == NULL) {
		int fds[2];
		MUST(pipe(fds));
		pid_t pid = fork();
		if (pid == 0) {
			char number[16];
			snprintf(number, sizeof number, "%d", fds[1]);
			setenv("CHECK_SECOND", number, 1);
			setenv("CHECK_KEEP", "1", 1);
			dup2(open("/dev/null", O_WRONLY), 1);
			execv("/proc/self/exe", argv);
			_exit(1);
		}
		close(fds[1]);
		unsigned char other[16];
		YES("second run sent its bytes", read(fds[0], other, 16) == 16);
		YES("its AT_RANDOM differs", memcmp(random, other, 16) != 0);
		say("second run: %s\n", wname(reap(pid)));
	} else if (write(atoi(getenv("CHECK_SECOND")), random, 16) != 16) {
		return 1;
	}
	return 0;
}

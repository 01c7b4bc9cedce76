// PT_INTERP: an interpreter that is missing, a directory, not executable, or no ELF file. The executable is made by hand.
#include "check.h"
#include <elf.h>

static void make(const char *interpreter, size_t length) {
	struct {
		Elf64_Ehdr ehdr;
		Elf64_Phdr phdr[2];
		char interpreter[64];
		unsigned char code[16];
	} file;
	memset(&file, 0, sizeof file);
	memcpy(file.ehdr.e_ident, ELFMAG, 4);
	file.ehdr.e_ident[EI_CLASS] = ELFCLASS64;
	file.ehdr.e_ident[EI_DATA] = ELFDATA2LSB;
	file.ehdr.e_ident[EI_VERSION] = EV_CURRENT;
	file.ehdr.e_type = ET_EXEC;
	file.ehdr.e_machine = EM_X86_64;
	file.ehdr.e_version = EV_CURRENT;
	file.ehdr.e_phoff = sizeof file.ehdr;
	file.ehdr.e_ehsize = sizeof file.ehdr;
	file.ehdr.e_phentsize = sizeof(Elf64_Phdr);
	file.ehdr.e_phnum = interpreter == NULL ? 1 : 2;
	size_t code = offsetof(__typeof__(file), code);
	file.ehdr.e_entry = 0x500000 + code;
	file.phdr[0].p_type = PT_LOAD;
	file.phdr[0].p_flags = PF_R | PF_X;
	file.phdr[0].p_vaddr = file.phdr[0].p_paddr = 0x500000;
	file.phdr[0].p_filesz = file.phdr[0].p_memsz = sizeof file;
	file.phdr[0].p_align = 4096;
	if (interpreter != NULL) {
		memcpy(file.interpreter, interpreter, length);
		file.phdr[1].p_type = PT_INTERP;
		file.phdr[1].p_offset = offsetof(__typeof__(file), interpreter);
		file.phdr[1].p_filesz = file.phdr[1].p_memsz = length;
	}
	// mov edi, 23; mov eax, 60 (exit); syscall
	static const unsigned char code_bytes[] = {0xbf, 23, 0, 0, 0, 0xb8, 60, 0, 0, 0, 0x0f, 0x05};
	memcpy(file.code, code_bytes, sizeof code_bytes);
	unlink("program");
	int fd = open("program", O_WRONLY | O_CREAT | O_TRUNC, 0755);
	MUST(fd);
	if (write(fd, &file, sizeof file) != sizeof file) die("write");
	close(fd);
}

static void attempt(const char *label) {
	pid_t pid = fork();
	if (pid == 0) {
		execve("./program", (char *[]){"program", NULL}, (char *[]){NULL});
		say("%s: execve %s\n", label, ename(errno));
		_exit(1);
	}
	say("%s: %s\n", label, wname(reap(pid)));
}

int main(void) {
	make(NULL, 0);
	attempt("no interpreter");
	make("./nowhere", 10);
	attempt("missing interpreter");
	make("/", 2);
	attempt("interpreter is a directory");
	put("text", "this is no ELF file, and it is longer than an ELF header is, so that reading one works: 0123456789\n");
	MUST(chmod("text", 0755));
	make("./text", 7);
	attempt("interpreter is text");
	MUST(chmod("text", 0644));
	attempt("interpreter not executable");
	make("./text", 6);
	attempt("interpreter name without NUL");
	make("", 1);
	attempt("interpreter name too short");
	return 0;
}

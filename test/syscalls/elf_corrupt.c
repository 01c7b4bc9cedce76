// Damaged ELF files given to execve: those refused with an errno, and random damage that must only ever hurt the new image.
#include "check.h"
#include <elf.h>

static unsigned char *image;
static size_t image_size;
static uint64_t seed = 12345;

static uint32_t next_random(void) {
	seed = seed * 6364136223846793005UL + 1442695040888963407UL;
	return (uint32_t)(seed >> 33);
}

static void store(const unsigned char *bytes, size_t size) {
	unlink("victim");
	int fd = open("victim", O_WRONLY | O_CREAT | O_TRUNC, 0755);
	MUST(fd);
	for (size_t done = 0; done < size;) {
		ssize_t n = write(fd, bytes + done, size - done);
		if (n <= 0) die("write");
		done += (size_t)n;
	}
	close(fd);
}

static void attempt(const char *label) {
	pid_t pid = fork();
	if (pid == 0) {
		execve("./victim", (char *[]){"victim", "child", NULL}, (char *[]){NULL});
		say("%s: %s\n", label, ename(errno));
		_exit(0);
	}
	reap(pid);
}

static unsigned char *copy(size_t size) {
	static unsigned char *buffer;
	if (buffer == NULL) buffer = malloc(image_size);
	memcpy(buffer, image, size);
	return buffer;
}

int main(int argc, char **argv) {
	(void)argv;
	if (argc > 1) return 0;
	int fd = open("/proc/self/exe", O_RDONLY);
	MUST(fd);
	struct stat st;
	MUST(fstat(fd, &st));
	image_size = (size_t)st.st_size;
	image = malloc(image_size);
	if (read(fd, image, image_size) != (ssize_t)image_size) die("read");
	close(fd);

	store(image, 0);
	attempt("empty file");
	store(image, 1);
	attempt("one byte");
	store(image, 4);
	attempt("magic only");
	store(image, sizeof(Elf64_Ehdr) - 1);
	attempt("header cut");
	store(image, sizeof(Elf64_Ehdr));
	attempt("header only");
	unsigned char *b = copy(image_size);
	Elf64_Ehdr *e = (Elf64_Ehdr *)b;
	e->e_ident[0] = 'X';
	store(b, image_size);
	attempt("bad magic");
	b = copy(image_size);
	e->e_machine = EM_AARCH64;
	store(b, image_size);
	attempt("other machine");
	b = copy(image_size);
	e->e_type = ET_REL;
	store(b, image_size);
	attempt("relocatable");
	b = copy(image_size);
	e->e_type = ET_CORE;
	store(b, image_size);
	attempt("core file");
	b = copy(image_size);
	e->e_phentsize = 55;
	store(b, image_size);
	attempt("e_phentsize 55");
	b = copy(image_size);
	e->e_phnum = 0;
	store(b, image_size);
	attempt("e_phnum 0");
	b = copy(image_size);
	e->e_phnum = 65535;
	store(b, image_size);
	attempt("e_phnum 65535");
	b = copy(image_size);
	e->e_phoff = image_size + 100000;
	store(b, image_size);
	attempt("headers behind the end");

	// Random damage in the headers: whatever happens to the new image, this program goes on.
	int ended = 0;
	for (int round = 0; round < 60; round++) {
		b = copy(image_size);
		size_t span = round % 2 == 0 ? sizeof(Elf64_Ehdr) : sizeof(Elf64_Ehdr) + (size_t)e->e_phnum * sizeof(Elf64_Phdr);
		for (int k = 0; k < 3; k++) {
			size_t at = 4 + next_random() % (span - 4);
			if (at < 24 || at >= 32) b[at] = (unsigned char)next_random();  // not e_entry: natively this runs as root
		}
		store(b, image_size);
		pid_t pid = fork();
		if (pid == 0) {
			struct rlimit cpu = {1, 1};
			setrlimit(RLIMIT_CPU, &cpu);
			alarm(1);
			int null = open("/dev/null", O_RDWR);
			dup2(null, 1);
			dup2(null, 2);
			execve("./victim", (char *[]){"victim", "child", NULL}, (char *[]){NULL});
			_exit(1);
		}
		reap(pid);
		ended++;
	}
	say("rounds of random damage survived: %d\n", ended);
	store(image, image_size);
	pid_t pid = fork();
	if (pid == 0) {
		execve("./victim", (char *[]){"victim", "child", NULL}, (char *[]){NULL});
		_exit(1);
	}
	say("undamaged: %s\n", wname(reap(pid)));
	return 0;
}

// What the loader set up: protections of text, rodata, data, bss and stack; a zeroed bss tail; the heap after bss; ASLR of the stack.
#include "check.h"

static const char constant[16] = "constant";
static char initialised[16] = "initialised";
static char zeroed[300000];

int main(int argc, char **argv) {
	if (argc > 1) {  // prints an address for the parent only
		int local;
		uintptr_t here = (uintptr_t)&local;
		return write(1, &here, sizeof here) == sizeof here ? 0 : 1;
	}
	say("read text: %s\n", probe('r', (void *)(uintptr_t)main));
	say("write text: %s\n", probe('w', (void *)(uintptr_t)main));
	say("write rodata: %s\n", probe('w', constant));
	say("execute rodata: %s\n", probe('x', constant));
	say("write data: %s\n", probe('w', initialised));
	say("execute data: %s\n", probe('x', initialised));
	char local[16] = {(char)0xc3};
	say("execute stack: %s\n", probe('x', local));
	int nonzero = 0;
	for (size_t i = 0; i < sizeof zeroed; i++) nonzero += zeroed[i] != 0;
	say("nonzero bytes in bss: %d\n", nonzero);
	char *heap = sbrk(0);
	YES("heap above bss", heap >= zeroed + sizeof zeroed);
	YES("stack above heap", (char *)local > heap);
	say("data: %s\n", initialised);
	say("address 0: %s\n", probe('r', NULL));
	say("kernel half: %s\n", probe('r', KERNEL_HALF));
	say("non-canonical: %s\n", probe('r', WILD));
	// Stack addresses of several runs are not all equal.
	uintptr_t seen[6];
	int differ = 0;
	for (int i = 0; i < 6; i++) {
		int fds[2];
		MUST(pipe(fds));
		pid_t pid = fork();
		if (pid == 0) {
			dup2(fds[1], 1);
			execv("/proc/self/exe", (char *[]){argv[0], "address", NULL});
			_exit(1);
		}
		if (read(fds[0], &seen[i], sizeof seen[i]) != sizeof seen[i]) die("read");
		close(fds[0]);
		close(fds[1]);
		reap(pid);
		differ |= seen[i] != seen[0];
	}
	YES("stack address is randomised", differ);
	return 0;
}

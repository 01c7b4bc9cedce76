// The size limits of execve's strings: 128 KiB for one, a quarter of the stack limit for all; E2BIG leaves the caller alone.
#include "check.h"

static char big[33 * PAGE + 16];

static void attempt(const char *label, char **argv, char **envp) {
	pid_t pid = fork();
	if (pid == 0) {
		execve("/proc/self/exe", argv, envp);
		say("%s: %s\n", label, ename(errno));
		_exit(1);
	}
	say("%s => %s\n", label, wname(reap(pid)));
}

int main(int argc, char **argv) {
	if (argc > 1 && strcmp(argv[1], "child") == 0) return 50;
	char *none[] = {NULL};
	memset(big, 'b', sizeof big);
	big[32 * PAGE - 1] = 0;  // with its NUL exactly 131072 bytes
	attempt("longest argument", (char *[]){"x", "child", big, NULL}, none);
	attempt("longest variable", (char *[]){"x", "child", NULL}, (char *[]){big, NULL});
	big[32 * PAGE - 1] = 'b';
	big[32 * PAGE] = 0;
	attempt("one byte more", (char *[]){"x", "child", big, NULL}, none);
	attempt("one byte more in the environment", (char *[]){"x", "child", NULL}, (char *[]){big, NULL});
	// Sum: stack limit 8 MiB allows about 2 MiB.
	struct rlimit stack = {8 << 20, 8 << 20};
	MUST(setrlimit(RLIMIT_STACK, &stack));
	static char *many[20000];
	big[1000] = 0;
	size_t count = 2;
	many[0] = "x";
	many[1] = "child";
	while (count < 1500) many[count++] = big;
	many[count] = NULL;
	attempt("1.5 MB in 1500 strings", many, none);
	while (count < 2500) many[count++] = big;
	many[count] = NULL;
	attempt("2.5 MB in 2500 strings", many, none);
	stack.rlim_cur = 1 << 20;
	MUST(setrlimit(RLIMIT_STACK, &stack));
	many[200] = NULL;
	attempt("200 KB with a stack of 1 MiB", many, none);
	many[200] = big;
	many[400] = NULL;
	attempt("400 KB with a stack of 1 MiB", many, none);
	// At least 128 KiB are allowed whatever the stack limit.
	stack.rlim_cur = 200 << 10;
	MUST(setrlimit(RLIMIT_STACK, &stack));
	many[400] = big;
	many[100] = NULL;
	attempt("100 KB with a stack of 200 KiB", many, none);
	many[100] = big;
	many[150] = NULL;
	attempt("150 KB with a stack of 200 KiB", many, none);
	stack.rlim_cur = 8 << 20;
	MUST(setrlimit(RLIMIT_STACK, &stack));
	// Many empty strings: pointers count too.
	for (count = 2; count < COUNT(many) - 1; count++) many[count] = "";
	many[count] = NULL;
	attempt("20000 empty strings", many, none);
	return 0;
}

// argv, envp and the initial stack after execve: order, empty strings, odd bytes, no environment, alignment.
#define CHECK_PLAIN_START  // looks at its own initial stack
#include "check.h"

static void show(int argc, char **argv) {
	say("argc %d, argv[argc] NULL: %s\n", argc, yes(argv[argc] == NULL));
	for (int i = 1; i < argc; i++) {
		say("argv[%d] (%zu):", i, strlen(argv[i]));
		for (const unsigned char *p = (const unsigned char *)argv[i]; *p != 0 && p - (const unsigned char *)argv[i] < 24; p++) say(*p >= 33 && *p < 127 ? " %c" : " %02x", *p);
		say("\n");
	}
	int count = 0;
	for (char **e = environ; *e != NULL; e++) count++;
	say("environment: %d\n", count);
	for (char **e = environ; *e != NULL && count < 8; e++) say("  %.40s (%zu)\n", *e, strlen(*e));
	// The strings of argv lie one behind the other, those of envp follow.
	int ordered = 1;
	for (int i = 1; i < argc; i++) ordered &= argv[i] == argv[i - 1] + strlen(argv[i - 1]) + 1;
	if (count > 0) ordered &= environ[0] == argv[argc - 1] + strlen(argv[argc - 1]) + 1;
	YES("strings are adjacent", ordered);
	YES("argv pointer block precedes envp", (char **)argv + argc + 1 == environ);
	YES("&argc is 16-byte aligned", ((uintptr_t)(argv - 1) & 15) == 0);
	YES("strings above the pointers", (char *)argv < argv[0]);
}

static void again(char **argv, char **envp) {
	pid_t pid = fork();
	if (pid == 0) {
		execve("/proc/self/exe", argv, envp);
		say("execve: %s\n", ename(errno));
		_exit(1);
	}
	say("=> %s\n\n", wname(reap(pid)));
}

int main(int argc, char **argv) {
	if (strcmp(argv[0], "again") == 0) {
		show(argc, argv);
		return argc;
	}
	char *none[] = {NULL};
	again((char *[]){"again", NULL}, none);
	again((char *[]){"again", "one", "", "three with space", NULL}, (char *[]){"A=1", "B=", "=C", "no equals sign", "A=2", NULL});
	again((char *[]){"again", "\xff\xfe\x01\n", "\xc3\xa4", NULL}, (char *[]){"LATIN=\xe4", NULL});
	static char long_argument[100001], long_variable[60002];
	memset(long_argument, 'x', sizeof long_argument - 1);
	memset(long_variable, 'y', sizeof long_variable - 1);
	long_variable[1] = '=';
	again((char *[]){"again", long_argument, "end", NULL}, (char *[]){long_variable, NULL});
	static char *many[3001];
	for (int i = 0; i < 3000; i++) many[i] = "e=f";
	again((char *[]){"again", NULL}, many);
	pid_t pid = fork();
	if (pid == 0) {
		execve("/proc/self/exe", (char *[]){"again", "null envp", NULL}, NULL);
		_exit(1);
	}
	say("NULL envp => %s\n", wname(reap(pid)));
	return 0;
}

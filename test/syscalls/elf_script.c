// Scripts that begin with #!: argument splitting, nesting, the errors, and what the interpreter sees.
#include "check.h"

static char self[PATH_MAX];

static void script(const char *name, const char *first_line, mode_t mode) {
	put(name, first_line);
	MUST(chmod(name, mode));
}

static void run(const char *path) {
	pid_t pid = fork();
	if (pid == 0) {
		execve(path, (char *[]){"given-argv0", "a b", "c", NULL}, (char *[]){"SHOW_ARGS=1", NULL});
		int error = errno;
		say("%s: execve %s\n", path, ename(error));
		_exit(7);
	}
	say("%s: %s\n", path, wname(reap(pid)));
}

int main(int argc, char **argv) {
	if (getenv("SHOW_ARGS") != NULL) {
		for (int i = 0; i < argc; i++) {
			char *slash = strrchr(argv[i], '/');
			say("  [%d] %s\n", i, i == 0 && slash != NULL ? slash + 1 : argv[i]);
		}
		return argc;
	}
	MUST(readlink("/proc/self/exe", self, sizeof self - 1));
	MUST(symlink(self, "interp"));
	char line[PATH_MAX + 64];
	script("plain", "#!./interp\n", 0755);
	run("plain");
	run("./plain");
	script("argument", "#!./interp one argument only  \nbody\n", 0755);
	run("./argument");
	script("spaces", "#! \t ./interp\t-x\t\n", 0755);
	run("./spaces");
	script("no_newline", "#!./interp", 0755);
	run("./no_newline");
	script("no_newline_argument", "#!./interp tail", 0755);
	run("./no_newline_argument");
	script("nested", "#!./plain second\n", 0755);
	run("./nested");
	script("empty", "", 0755);
	run("./empty");
	script("blank_interpreter", "#!   \n", 0755);
	run("./blank_interpreter");
	script("missing", "#!./does_not_exist\n", 0755);
	run("./missing");
	script("carriage_return", "#!./interp\r\n", 0755);
	run("./carriage_return");
	script("directory", "#!/\n", 0755);
	run("./directory");
	script("not_executable_interpreter", "#!./plain_text\n", 0755);
	script("plain_text", "text\n", 0644);
	run("./not_executable_interpreter");
	script("text", "echo hello\n", 0755);
	run("./text");
	script("no_x", "#!./interp\n", 0644);
	run("./no_x");
	script("loop", "#!./loop\n", 0755);
	run("./loop");
	// The buffer holds 256 bytes: an interpreter path that does not fit is refused, an argument that does not fit is cut.
	snprintf(line, sizeof line, "#!./%0300d\n", 1);
	script("long_interpreter", line, 0755);
	run("./long_interpreter");
	memset(line, 0, sizeof line);
	memcpy(line, "#!./interp ", 11);
	memset(line + 11, 'a', 300);
	line[311] = '\n';
	script("long_argument", line, 0755);
	run("./long_argument");
	char chain[8][32];
	for (int i = 0; i < 8; i++) {
		snprintf(chain[i], sizeof chain[i], "chain%d", i);
		snprintf(line, sizeof line, i == 0 ? "#!./interp\n" : "#!./chain%d\n", i - 1);
		script(chain[i], line, 0755);
	}
	run("./chain3");
	run("./chain4");
	run("./chain5");
	run("./chain6");
	return 0;
}

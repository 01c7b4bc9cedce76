// Globals, heap, stack, thread-local data and file-private pages after fork, written by both sides in turn, three generations deep.
#include "check.h"

static int global = 1;
static _Thread_local int local_to_thread = 2;
static int *heap;
static char *file;

static void report(const char *who, int stack) { say("%s: %d %d %d %d %c\n", who, global, local_to_thread, *heap, stack, file[0]); }

static void change(int by, int *stack) {
	global += by;
	local_to_thread += by;
	*heap += by;
	*stack += by;
	file[0] = (char)(file[0] + 1);
}

int main(void) {
	int stack = 4;
	heap = malloc(sizeof *heap);
	*heap = 3;
	put("file", "a");
	int fd = open("file", O_RDONLY);
	file = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	report("start", stack);
	pid_t pid = fork();
	if (pid == 0) {
		change(10, &stack);
		report("child", stack);
		pid_t grandchild = fork();
		if (grandchild == 0) {
			change(100, &stack);
			report("grandchild", stack);
			pid_t last = fork();
			if (last == 0) {
				change(1000, &stack);
				report("great-grandchild", stack);
				_exit(0);
			}
			reap(last);
			report("grandchild after", stack);
			_exit(0);
		}
		reap(grandchild);
		report("child after", stack);
		change(20, &stack);
		report("child again", stack);
		_exit(0);
	}
	reap(pid);
	report("parent", stack);
	change(5, &stack);
	report("parent changed", stack);
	say("file: %s\n", cat("file"));
	// A parent that writes between many forks: each child has the state of its moment.
	int wrong = 0;
	for (int i = 0; i < 100; i++) {
		global = i;
		*heap = -i;
		pid = fork();
		if (pid == 0) {
			int good = global == i && *heap == -i;
			global = *heap = 12345;
			_exit(good ? 0 : 1);
		}
		global = 777;
		wrong += reap(pid) != 0;
		wrong += global != 777 || *heap != -i;
	}
	say("wrong of 100 forks: %d\n", wrong);
	return 0;
}

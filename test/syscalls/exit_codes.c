// Exit statuses: only eight bits come through; atexit order; _exit skips it; abort; return from main; a child's stdio is not ours.
#include "check.h"

static int code;
static void with_exit(void) { exit(code); }
static void with__exit(void) { _exit(code); }
static void with_group(void) { syscall(SYS_exit_group, code); }
static void with_abort(void) { abort(); }
static void first(void) { say("first registered\n"); }
static void second(void) { say("second registered\n"); }
static void with_atexit(void) {
	atexit(first);
	atexit(second);
	exit(3);
}
static void without_atexit(void) {
	atexit(first);
	_exit(4);
}
static void ignoring_abort(void) {
	signal(SIGABRT, SIG_IGN);
	abort();
}
static void blocking_abort(void) {
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	abort();
}
static void trap_instruction(void) { __builtin_trap(); }
static void divide(void) {
	volatile int zero = 0;
	volatile int result = 1000 / zero;
	(void)result;
}

int main(void) {
	static const int codes[] = {0, 1, 127, 128, 137, 255, 256, 257, -1, 0x12345};
	for (size_t i = 0; i < COUNT(codes); i++) {
		code = codes[i];
		char label[32];
		snprintf(label, sizeof label, "exit(%d)", code);
		child(label, with_exit);
		snprintf(label, sizeof label, "_exit(%d)", code);
		child(label, with__exit);
		snprintf(label, sizeof label, "exit_group(%d)", code);
		child(label, with_group);
	}
	child("abort", with_abort);
	child("abort ignored", ignoring_abort);
	child("abort blocked", blocking_abort);
	child("atexit", with_atexit);
	child("_exit", without_atexit);
	child("ud2", trap_instruction);
	child("division by zero", divide);
	return 200;
}

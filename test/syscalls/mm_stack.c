// The stack: grows on demand up to RLIMIT_STACK, overflow is SIGSEGV (handled on an alternate stack), MAP_GROWSDOWN.
#include "check.h"

static __attribute__((noinline)) long deep(long levels) {
	volatile char frame[1000];
	frame[0] = (char)levels;
	frame[999] = 1;
	return levels == 0 ? frame[999] : deep(levels - 1) + frame[999];
}

static sigjmp_buf out;
static volatile int code, on_alternate;
static char alternate[1 << 16];

static void handler(int sig, siginfo_t *info, void *context) {
	(void)sig;
	(void)context;
	char here;
	code = info->si_code;
	on_alternate = &here > alternate && &here < alternate + sizeof alternate;
	siglongjmp(out, 1);
}

static void overflow(void) { deep(1L << 40); }

static void small_limit(void) {
	struct rlimit limit = {256 << 10, 256 << 10};
	MUST(setrlimit(RLIMIT_STACK, &limit));
	say("100 KiB deep: %ld\n", deep(90));
	deep(400);
	say("not reached\n");
}

static __attribute__((noinline)) void far_end(void) {
	volatile char array[2 << 20];
	array[0] = 1;
	array[sizeof array - 1] = 2;
	say("far end first: %d\n", array[0] + array[sizeof array - 1]);
}

int main(void) {
	child("limit of 256 KiB", small_limit);
	struct rlimit limit = {4 << 20, 8 << 20};
	MUST(setrlimit(RLIMIT_STACK, &limit));
	say("3 MiB deep: %ld\n", deep(2900));
	say("again: %ld\n", deep(2900));
	stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
	MUST(sigaltstack(&stack, NULL));
	struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	MUST(sigaction(SIGSEGV, &action, NULL));
	for (int i = 0; i < 3; i++) {
		code = 0;
		if (sigsetjmp(out, 1) == 0) {
			overflow();
		} else {
			say("overflow caught: %s, on the alternate stack: %s\n", code == SEGV_MAPERR ? "SEGV_MAPERR" : code == SEGV_ACCERR ? "SEGV_ACCERR" : "?", yes(on_alternate));
		}
	}
	say("still fine: %ld\n", deep(100));
	signal(SIGSEGV, SIG_DFL);
	child("overflow without a handler", overflow);
	// A handler without an alternate stack cannot run either.
	action.sa_flags = SA_SIGINFO;
	sigaction(SIGSEGV, &action, NULL);
	child("handler on the full stack", overflow);
	signal(SIGSEGV, SIG_DFL);
	// MAP_GROWSDOWN: the page below its start comes when touched.
	char *area = mmap(NULL, 600 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MUST(munmap(area, 600 * PAGE));
	char *low = area + 500 * PAGE;
	char *grows = mmap(low, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, -1, 0);
	if (grows == MAP_FAILED) die("growsdown");
	say("below the start: %s\n", probe('w', grows - 1));
	say("two pages lower: %s\n", probe('w', grows - 2 * PAGE - 1));
	// A large array on the stack, touched from its far end first.
	far_end();
	return 0;
}

// mprotect(2): every change of protection shows at once, in this thread, in system calls and after fork; pieces split and join.
#include "check.h"

static void show(const char *label, char *p) {
	char r[64], w[64];
	snprintf(r, sizeof r, "%s", probe('r', p));
	snprintf(w, sizeof w, "%s", probe('w', p));
	say("%s: read %s, write %s\n", label, r, w);
}

int main(void) {
	char *p = anon(6 * PAGE);
	memset(p, 0x11, 6 * PAGE);
	show("fresh", p);
	MUST(mprotect(p, 6 * PAGE, PROT_READ));
	show("PROT_READ", p);
	MUST(mprotect(p, 6 * PAGE, PROT_NONE));
	show("PROT_NONE", p);
	MUST(mprotect(p, 6 * PAGE, PROT_READ | PROT_WRITE));
	show("back", p);
	int same = 1;
	for (long i = 0; i < 6 * PAGE; i++) same &= p[i] == 0x11;
	YES("content kept", same);
	MUST(mprotect(p + PAGE, PAGE, PROT_READ));
	MUST(mprotect(p + 3 * PAGE, 2 * PAGE, PROT_NONE));
	for (int i = 0; i < 6; i++) {
		char label[16];
		snprintf(label, sizeof label, "page %d", i);
		show(label, p + i * PAGE);
	}
	// Across several pieces at once.
	MUST(mprotect(p, 6 * PAGE, PROT_READ));
	show("all read", p + 3 * PAGE);
	// A system call sees it too.
	int fds[2];
	MUST(pipe(fds));
	MUST(write(fds[1], "data", 4));
	SHOW(read(fds[0], p, 4));
	MUST(mprotect(p, PAGE, PROT_READ | PROT_WRITE));
	SHOW(read(fds[0], p, 4));
	// The length is rounded up.
	MUST(mprotect(p, PAGE + 1, PROT_NONE));
	show("second page of PAGE + 1", p + 2 * PAGE - 1);
	show("third page", p + 2 * PAGE);
	// A child inherits and changes its own.
	MUST(mprotect(p, 6 * PAGE, PROT_READ | PROT_WRITE));
	MUST(mprotect(p + 2 * PAGE, PAGE, PROT_READ));
	pid_t pid = fork();
	if (pid == 0) {
		show("child page 2", p + 2 * PAGE);
		MUST(mprotect(p + 2 * PAGE, PAGE, PROT_READ | PROT_WRITE));
		MUST(mprotect(p, PAGE, PROT_NONE));
		p[2 * PAGE] = 0x22;
		_exit(0);
	}
	say("child: %s\n", wname(reap(pid)));
	show("parent page 0", p);
	show("parent page 2", p + 2 * PAGE);
	say("parent's byte: %#x\n", p[2 * PAGE]);
	// Toggling one page many times.
	int wrong = 0;
	for (int i = 0; i < 300; i++) {
		MUST(mprotect(p + 4 * PAGE, PAGE, i & 1 ? PROT_READ : PROT_READ | PROT_WRITE));
		wrong += (probe('w', p + 4 * PAGE)[0] == 'o') == (i & 1);
	}
	say("wrong of 300 toggles: %d\n", wrong);
	return 0;
}

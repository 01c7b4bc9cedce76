// An open /proc/PID is as good as a pidfd for pidfd_send_signal(2), and for nothing else.
#include "check.h"

int main(void) {
	pid_t pid = fork();
	if (pid == 0)
		for (;;) pause();
	char name[64];
	snprintf(name, sizeof name, "/proc/%d", pid);
	int dir = open(name, O_DIRECTORY | O_RDONLY);
	int path = open(name, O_PATH);
	snprintf(name, sizeof name, "/proc/%d/task/%d", pid, pid);
	int task = open(name, O_DIRECTORY | O_RDONLY);
	int proc = open("/proc", O_DIRECTORY | O_RDONLY);
	SHOW(syscall(SYS_pidfd_send_signal, dir, 0, NULL, 0));
	SHOW(syscall(SYS_pidfd_send_signal, dir, 65, NULL, 0));
	SHOW(syscall(SYS_pidfd_send_signal, path, 0, NULL, 0));
	SHOW(syscall(SYS_pidfd_send_signal, task, 0, NULL, 0));
	SHOW(syscall(SYS_pidfd_send_signal, proc, 0, NULL, 0));
	siginfo_t info;
	SHOW(waitid(P_PIDFD, (id_t)dir, &info, WEXITED | WNOHANG));
	SHOW(syscall(SYS_pidfd_send_signal, dir, SIGTERM, NULL, 0));
	int status;
	MUST(waitpid(pid, &status, 0));
	say("%s\n", sname(WTERMSIG(status)));
	SHOW(syscall(SYS_pidfd_send_signal, dir, 0, NULL, 0));
	return 0;
}

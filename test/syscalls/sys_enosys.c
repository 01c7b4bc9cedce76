// Numbers that are no system call: ENOSYS, whatever the arguments; the 32-bit and x32 numbers; nothing else changes.
#include "check.h"

int main(void) {
	static const long numbers[] = {-1, 1000, 2000, 0x7fffffff, -4096, 500, 999};
	for (size_t i = 0; i < COUNT(numbers); i++) {
		errno = 0;
		long r = syscall(numbers[i], 1, 2, 3, 4, 5, 6);
		say("%ld: %ld %s\n", numbers[i], r, ename(errno));
	}
	// Calls that the kernel has no longer, or never had on this architecture.
	static const struct {
		long number;
		const char *name;
	} gone[] = {{SYS_create_module, "create_module"}, {SYS_get_kernel_syms, "get_kernel_syms"}, {SYS_query_module, "query_module"}, {SYS_getpmsg, "getpmsg"}, {SYS_putpmsg, "putpmsg"}, {SYS_afs_syscall, "afs_syscall"}, {SYS_tuxcall, "tuxcall"}, {SYS_security, "security"}, {SYS_set_thread_area, "set_thread_area"}, {SYS_get_thread_area, "get_thread_area"}, {SYS_epoll_ctl_old, "epoll_ctl_old"}, {SYS_epoll_wait_old, "epoll_wait_old"}, {SYS_vserver, "vserver"}, {SYS_nfsservctl, "nfsservctl"}, {SYS__sysctl, "_sysctl"}, {SYS_uselib, "uselib"}};
	for (size_t i = 0; i < COUNT(gone); i++) {
		errno = 0;
		long r = syscall(gone[i].number, WILD, WILD, WILD, WILD, WILD, WILD);
		say("%s: %ld %s\n", gone[i].name, r, ename(errno));
	}
	// The upper half of the number register does not count.
	long result;
	__asm__ volatile("syscall" : "=a"(result) : "a"(0x100000000L | SYS_getpid) : "rcx", "r11", "memory");
	YES("upper half of rax ignored or refused", result == getpid() || result == -ENOSYS);
	for (int i = 0; i < 1000; i++) {
		if (syscall(3000 + i) != -1 || errno != ENOSYS) die("number %d", 3000 + i);
	}
	say("a thousand more\n");
	return 0;
}

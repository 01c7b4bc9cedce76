// Bad pointers to over a hundred system calls: an unmapped page, an inaccessible page, the kernel's half, a non-canonical address; for results also a
// read-only page. Every call fails with its errno and the process goes on.
#include "check.h"
#include <asm/prctl.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#define P 0x5a5a5a5a5a5aL  // stands for the pointer under test
#define IN 0
#define OUT 1  // the kernel writes there

struct call {
	const char *name;
	long number;
	int direction;
	long args[6];
};

static char scratch[4096] __attribute__((aligned(64)));

int main(void) {
	put("f", "0123456789");
	put("g", "0123456789");
	MUST(symlink("f", "l"));
	int f = open("f", O_RDWR), g = open("g", O_RDWR), d = open(".", O_RDONLY), p[2], s[2], ready[2];
	MUST(pipe(p));
	MUST(write(p[1], "data", 4));
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	MUST(write(s[1], "data", 4));
	MUST(pipe(ready));
	MUST(write(ready[1], "x", 1));
	int e = epoll_create1(0), t = timerfd_create(CLOCK_MONOTONIC, 0), u = socket(AF_UNIX, SOCK_STREAM, 0);
	struct epoll_event event = {.events = EPOLLIN};
	MUST(epoll_ctl(e, EPOLL_CTL_ADD, ready[0], &event));
	gid_t group = 7;
	syscall(SYS_setgroups, 1, &group);
	struct timespec zero = {0, 0};
	struct timeval zero_tv = {0, 0};
	socklen_t length = 100;
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	long ok = (long)scratch, Z = (long)&zero, ZV = (long)&zero_tv, F = (long)"f", X = (long)"x", L = (long)&length, H = (long)&header;
	long cwd = AT_FDCWD;
	const struct call calls[] = {
		{"read", SYS_read, OUT, {f, P, 5}},
		{"read pipe", SYS_read, OUT, {p[0], P, 2}},
		{"read socket", SYS_read, OUT, {s[0], P, 2}},
		{"write", SYS_write, IN, {f, P, 5}},
		{"write pipe", SYS_write, IN, {p[1], P, 5}},
		{"write socket", SYS_write, IN, {s[0], P, 5}},
		{"pread64", SYS_pread64, OUT, {f, P, 5, 0}},
		{"pwrite64", SYS_pwrite64, IN, {f, P, 5, 0}},
		{"readv", SYS_readv, IN, {f, P, 1}},
		{"writev", SYS_writev, IN, {f, P, 1}},
		{"preadv", SYS_preadv, IN, {f, P, 1, 0}},
		{"pwritev", SYS_pwritev, IN, {f, P, 1, 0}},
		{"open", SYS_open, IN, {P, O_RDONLY}},
		{"openat", SYS_openat, IN, {cwd, P, O_RDONLY}},
		{"openat O_CREAT", SYS_openat, IN, {cwd, P, O_RDWR | O_CREAT, 0600}},
		{"creat", SYS_creat, IN, {P, 0600}},
		{"stat path", SYS_stat, IN, {P, ok}},
		{"stat", SYS_stat, OUT, {F, P}},
		{"lstat", SYS_lstat, OUT, {F, P}},
		{"fstat", SYS_fstat, OUT, {f, P}},
		{"newfstatat path", SYS_newfstatat, IN, {cwd, P, ok, 0}},
		{"newfstatat", SYS_newfstatat, OUT, {cwd, F, P, 0}},
		{"statx path", SYS_statx, IN, {cwd, P, 0, 0x7ff, ok}},
		{"statx", SYS_statx, OUT, {cwd, F, 0, 0x7ff, P}},
		{"statfs path", SYS_statfs, IN, {P, ok}},
		{"statfs", SYS_statfs, OUT, {F, P}},
		{"fstatfs", SYS_fstatfs, OUT, {f, P}},
		{"access", SYS_access, IN, {P, 0}},
		{"faccessat", SYS_faccessat, IN, {cwd, P, 0}},
		{"poll", SYS_poll, IN, {P, 1, 0}},
		{"ppoll", SYS_ppoll, IN, {P, 1, Z, 0, 8}},
		{"ppoll timeout", SYS_ppoll, IN, {0, 0, P, 0, 8}},
		{"ppoll mask", SYS_ppoll, IN, {0, 0, Z, P, 8}},
		{"select", SYS_select, IN, {1, P, 0, 0, ZV}},
		{"select timeout", SYS_select, IN, {0, 0, 0, 0, P}},
		{"pselect6", SYS_pselect6, IN, {1, P, 0, 0, Z, 0}},
		{"epoll_ctl", SYS_epoll_ctl, IN, {e, EPOLL_CTL_ADD, p[0], P}},
		{"epoll_wait", SYS_epoll_wait, OUT, {e, P, 1, 0}},
		{"epoll_pwait", SYS_epoll_pwait, IN, {e, ok, 1, 0, P, 8}},
		{"pipe", SYS_pipe, OUT, {P}},
		{"pipe2", SYS_pipe2, OUT, {P, 0}},
		{"sendfile", SYS_sendfile, IN, {f, g, P, 1}},
		{"copy_file_range", SYS_copy_file_range, IN, {f, P, g, 0, 1, 0}},
		{"getdents64", SYS_getdents64, OUT, {d, P, 1000}},
		{"getcwd", SYS_getcwd, OUT, {P, 4096}},
		{"chdir", SYS_chdir, IN, {P}},
		{"chroot", SYS_chroot, IN, {P}},
		{"mkdir", SYS_mkdir, IN, {P, 0700}},
		{"mkdirat", SYS_mkdirat, IN, {cwd, P, 0700}},
		{"rmdir", SYS_rmdir, IN, {P}},
		{"unlink", SYS_unlink, IN, {P}},
		{"unlinkat", SYS_unlinkat, IN, {cwd, P, 0}},
		{"rename from", SYS_rename, IN, {P, X}},
		{"rename to", SYS_rename, IN, {F, P}},
		{"renameat2", SYS_renameat2, IN, {cwd, F, cwd, P, 0}},
		{"link from", SYS_link, IN, {P, X}},
		{"link to", SYS_link, IN, {F, P}},
		{"linkat", SYS_linkat, IN, {cwd, F, cwd, P, 0}},
		{"symlink target", SYS_symlink, IN, {P, X}},
		{"symlink name", SYS_symlink, IN, {X, P}},
		{"symlinkat", SYS_symlinkat, IN, {P, cwd, X}},
		{"readlink path", SYS_readlink, IN, {P, ok, 10}},
		{"readlink", SYS_readlink, OUT, {(long)"l", P, 10}},
		{"readlinkat", SYS_readlinkat, OUT, {cwd, (long)"l", P, 10}},
		{"mknod", SYS_mknod, IN, {P, S_IFREG | 0600, 0}},
		{"mknodat", SYS_mknodat, IN, {cwd, P, S_IFREG | 0600, 0}},
		{"chmod", SYS_chmod, IN, {P, 0600}},
		{"fchmodat", SYS_fchmodat, IN, {cwd, P, 0600}},
		{"chown", SYS_chown, IN, {P, 0, 0}},
		{"lchown", SYS_lchown, IN, {P, 0, 0}},
		{"fchownat", SYS_fchownat, IN, {cwd, P, 0, 0, 0}},
		{"truncate", SYS_truncate, IN, {P, 0}},
		{"utime times", SYS_utime, IN, {F, P}},
		{"utimes times", SYS_utimes, IN, {F, P}},
		{"utimensat path", SYS_utimensat, IN, {cwd, P, 0, 0}},
		{"utimensat times", SYS_utimensat, IN, {cwd, F, P, 0}},
		{"fcntl F_GETLK", SYS_fcntl, IN, {f, F_GETLK, P}},
		{"fcntl F_SETLK", SYS_fcntl, IN, {f, F_SETLK, P}},
		{"ioctl FIONREAD", SYS_ioctl, OUT, {p[0], 0x541b, P}},
		{"memfd_create", SYS_memfd_create, IN, {P, 0}},
		{"socketpair", SYS_socketpair, OUT, {AF_UNIX, SOCK_STREAM, 0, P}},
		{"bind", SYS_bind, IN, {u, P, 16}},
		{"connect", SYS_connect, IN, {u, P, 16}},
		{"sendto", SYS_sendto, IN, {s[0], P, 10, 0, 0, 0}},
		{"recvfrom", SYS_recvfrom, OUT, {s[0], P, 2, MSG_DONTWAIT, 0, 0}},
		{"sendmsg", SYS_sendmsg, IN, {s[0], P, 0}},
		{"recvmsg", SYS_recvmsg, IN, {s[0], P, MSG_DONTWAIT}},
		{"getsockname", SYS_getsockname, OUT, {s[0], P, L}},
		{"getsockname length", SYS_getsockname, IN, {s[0], ok, P}},
		{"getpeername", SYS_getpeername, OUT, {s[0], P, L}},
		{"getsockopt", SYS_getsockopt, OUT, {s[0], SOL_SOCKET, SO_TYPE, P, L}},
		{"getsockopt length", SYS_getsockopt, IN, {s[0], SOL_SOCKET, SO_TYPE, ok, P}},
		{"setsockopt", SYS_setsockopt, IN, {s[0], SOL_SOCKET, SO_PASSCRED, P, 4}},
		{"execve path", SYS_execve, IN, {P, 0, 0}},
		{"execve argv", SYS_execve, IN, {(long)"/proc/self/exe", P, 0}},
		{"execve envp", SYS_execve, IN, {(long)"/proc/self/exe", 0, P}},
		{"execveat", SYS_execveat, IN, {cwd, P, 0, 0, 0}},
		{"clone3", SYS_clone3, IN, {P, 64}},
		{"uname", SYS_uname, OUT, {P}},
		{"sethostname", SYS_sethostname, IN, {P, 4}},
		{"sysinfo", SYS_sysinfo, OUT, {P}},
		{"times", SYS_times, OUT, {P}},
		{"time", SYS_time, OUT, {P}},
		{"gettimeofday", SYS_gettimeofday, OUT, {P, 0}},
		{"clock_gettime", SYS_clock_gettime, OUT, {CLOCK_MONOTONIC, P}},
		{"clock_getres", SYS_clock_getres, OUT, {CLOCK_MONOTONIC, P}},
		{"nanosleep", SYS_nanosleep, IN, {P, 0}},
		{"clock_nanosleep", SYS_clock_nanosleep, IN, {CLOCK_MONOTONIC, 0, P, 0}},
		{"getitimer", SYS_getitimer, OUT, {ITIMER_REAL, P}},
		{"setitimer", SYS_setitimer, IN, {ITIMER_REAL, P, 0}},
		{"timer_create event", SYS_timer_create, IN, {CLOCK_MONOTONIC, P, ok}},
		{"timer_create id", SYS_timer_create, OUT, {CLOCK_MONOTONIC, 0, P}},
		{"timerfd_settime", SYS_timerfd_settime, IN, {t, 0, P, 0}},
		{"timerfd_gettime", SYS_timerfd_gettime, OUT, {t, P}},
		{"getrlimit", SYS_getrlimit, OUT, {RLIMIT_NOFILE, P}},
		{"setrlimit", SYS_setrlimit, IN, {RLIMIT_NOFILE, P}},
		{"prlimit64 new", SYS_prlimit64, IN, {0, RLIMIT_NOFILE, P, 0}},
		{"prlimit64 old", SYS_prlimit64, OUT, {0, RLIMIT_NOFILE, 0, P}},
		{"getrusage", SYS_getrusage, OUT, {RUSAGE_SELF, P}},
		{"getgroups", SYS_getgroups, OUT, {10, P}},
		{"setgroups", SYS_setgroups, IN, {1, P}},
		{"getresuid", SYS_getresuid, OUT, {P, ok, ok}},
		{"getresgid", SYS_getresgid, OUT, {ok, ok, P}},
		{"capget header", SYS_capget, IN, {P, ok}},
		{"capget", SYS_capget, OUT, {H, P}},
		{"capset", SYS_capset, IN, {H, P}},
		{"rt_sigaction new", SYS_rt_sigaction, IN, {SIGUSR1, P, 0, 8}},
		{"rt_sigaction old", SYS_rt_sigaction, OUT, {SIGUSR1, 0, P, 8}},
		{"rt_sigprocmask new", SYS_rt_sigprocmask, IN, {SIG_BLOCK, P, 0, 8}},
		{"rt_sigprocmask old", SYS_rt_sigprocmask, OUT, {SIG_BLOCK, 0, P, 8}},
		{"rt_sigpending", SYS_rt_sigpending, OUT, {P, 8}},
		{"rt_sigtimedwait", SYS_rt_sigtimedwait, IN, {P, 0, Z, 8}},
		{"rt_sigsuspend", SYS_rt_sigsuspend, IN, {P, 8}},
		{"rt_sigqueueinfo", SYS_rt_sigqueueinfo, IN, {getpid(), SIGUSR1, P}},
		{"sigaltstack new", SYS_sigaltstack, IN, {P, 0}},
		{"sigaltstack old", SYS_sigaltstack, OUT, {0, P}},
		{"signalfd4", SYS_signalfd4, IN, {-1, P, 8, 0}},
		{"futex wait", SYS_futex, IN, {P, FUTEX_WAIT, 1, Z, 0, 0}},
		{"futex requeue", SYS_futex, IN, {ok, FUTEX_CMP_REQUEUE, 1, 1, P, 0}},
		{"get_robust_list", SYS_get_robust_list, OUT, {0, P, ok}},
		{"prctl name", SYS_prctl, IN, {PR_SET_NAME, P}},
		{"prctl get name", SYS_prctl, OUT, {PR_GET_NAME, P}},
		{"prctl death signal", SYS_prctl, OUT, {PR_GET_PDEATHSIG, P}},
		{"arch_prctl", SYS_arch_prctl, OUT, {ARCH_GET_FS, P}},
		{"sched_getaffinity", SYS_sched_getaffinity, OUT, {0, 128, P}},
		{"sched_setaffinity", SYS_sched_setaffinity, IN, {0, 128, P}},
		{"sched_getparam", SYS_sched_getparam, OUT, {0, P}},
		{"sched_setparam", SYS_sched_setparam, IN, {0, P}},
		{"getcpu", SYS_getcpu, OUT, {P, 0, 0}},
		{"getrandom", SYS_getrandom, OUT, {P, 8, 0}},
		{"mincore", SYS_mincore, OUT, {ok & ~4095L, 4096, P}},
	};
	char *page = mmap(NULL, 4 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MUST(mprotect(page, PAGE, PROT_NONE));
	MUST(munmap(page + 2 * PAGE, 2 * PAGE));
	char *gone = page + 2 * PAGE + 64;
	void *bad[] = {gone, page + 64, KERNEL_HALF, WILD, page + PAGE + 64};
	int total = 0;
	for (size_t i = 0; i < COUNT(calls); i++) {
		const char *results[5];
		int kinds = calls[i].direction == OUT ? 5 : 4, same = 1;
		for (int k = 0; k < kinds; k++) {
			long a[6];
			for (int n = 0; n < 6; n++) a[n] = calls[i].args[n] == P ? (long)bad[k] : calls[i].args[n];
			length = 100;
			errno = 0;
			long r = syscall(calls[i].number, a[0], a[1], a[2], a[3], a[4], a[5]);
			results[k] = r == -1 ? ename(errno) : "succeeded";
			same &= strcmp(results[k], results[0]) == 0;
			total++;
		}
		say("%s: %s", calls[i].name, results[0]);
		for (int k = 1; k < kinds && !same; k++) say(" %s", results[k]);
		say("\n");
	}
	say("calls made: %d\n", total);
	return 0;
}

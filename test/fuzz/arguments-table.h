// The calls of the argument tests.
//
// Not here, with the reason:
// - fork vfork clone clone3 exit exit_group rt_sigreturn restart_syscall: no arguments to be wrong, or two processes go on
// - kill and relatives to other processes, setpriority and prlimit of others: natively they would hit strangers
// - reboot, mounts, swap, modules, quota, clocks that are set, host names, syslog, sync, namespaces, seccomp, real-time
//   scheduling: natively they would hit the host, and root in the sandbox may less
// - System V IPC, POSIX queues, netlink, rseq, futex_waitv: tests of their own
// - shared state that tests cannot undo: set_tid_address, set_robust_list, arch_prctl, brk
#define NONE (-99L)  // a pointer that is NULL when it is good
#define SELF_PID (-98L)  // becomes the child's own pid

static struct timespec t_zero, t_now[2] = {{1000, 0}, {2000, 0}};
static struct timeval t_val[2] = {{1000, 0}, {2000, 0}};
static struct itimerval t_timer = {{0, 0}, {100, 0}};
static struct itimerspec t_spec = {{0, 0}, {100, 0}};
static struct iovec t_iov[2];
static struct msghdr t_message, t_receive;
static struct mmsghdr t_messages[1];
static struct pollfd t_poll = {F_FILE, POLLIN, 0};
static fd_set t_set;
static struct epoll_event t_event = {.events = EPOLLIN};
static struct sockaddr_un t_name = {.sun_family = AF_UNIX, .sun_path = "name"}, t_new = {.sun_family = AF_UNIX, .sun_path = "new"};
static socklen_t t_length = 100;
static int t_one = 1, t_word = 0;
static unsigned long t_mask = 1UL << (SIGUSR2 - 1), t_cpus = 1;
static struct rlimit t_limit = {32, 32};
static gid_t t_groups[2] = {1, 2};
static struct flock t_lock = {.l_type = F_RDLCK, .l_len = 10};
static stack_t t_stack;
static struct __user_cap_header_struct t_cap = {_LINUX_CAPABILITY_VERSION_3, 0};
static struct __user_cap_data_struct t_caps[2];
static long t_offset = 0;
static struct {
	uint64_t flags, mode, resolve;
} t_how = {O_RDONLY, 0, 0};
static struct sigevent t_sigevent = {.sigev_notify = SIGEV_NONE};
static struct {
	void *handler;
	unsigned long flags;
	void *restorer;
	unsigned long mask;
} t_action;
static char t_text[16] = "some text", t_xattr[] = "user.name";
static struct {
	int64_t modification, access;
} t_utime = {1000, 2000};
static struct {
	const unsigned long *set;
	size_t size;
} t_pselect;

static void prepare_arguments(void) {
	static char a[16], b[16];
	t_iov[0] = (struct iovec){a, 8};
	t_iov[1] = (struct iovec){b, 8};
	t_message = (struct msghdr){.msg_iov = t_iov, .msg_iovlen = 2};
	t_receive = t_message;
	t_messages[0].msg_hdr = t_message;
	FD_ZERO(&t_set);
	FD_SET(F_FILE, &t_set);
	t_action.flags = 0x04000000;
	t_action.restorer = a;
	t_stack = (stack_t){.ss_sp = a, .ss_flags = SS_DISABLE};
	t_pselect.set = &t_mask;
	t_pselect.size = 8;
}

#define V(n) {VALUE, (long)(n), 0}
#define N(n) {NUMBER, (long)(n), 0}
#define L(n) {LENGTH, (long)(n), 0}
#define O(n) {OFFSET, (long)(n), 0}
#define X(n) {FLAGS, (long)(n), 0}
#define F(n) {FD_ARG, (long)(n), 0}
#define D {DIR_ARG, AT_FDCWD, 0}
#define P(s) {PATH_ARG, (long)(s), 8}
#define I(object) {IN, (long)&(object), sizeof(object)}
#define IO(object) {INOUT, (long)&(object), sizeof(object)}
#define R(bytes) {OUT, 0, (bytes)}
#define Z(bytes) {IN, NONE, (bytes)}
#define W(bytes) {OUT, NONE, (bytes)}
#define CALL(name, ...) {#name, SYS_##name, {__VA_ARGS__}}

static const struct call calls[] = {
	CALL(read, F(F_FILE), R(8), L(8)),
	CALL(write, F(F_FILE), I(t_text), L(8)),
	CALL(open, P("file"), X(O_RDWR), V(0644)),
	CALL(close, F(F_FILE)),
	CALL(stat, P("file"), R(144)),
	CALL(fstat, F(F_FILE), R(144)),
	CALL(lstat, P("link"), R(144)),
	CALL(poll, IO(t_poll), L(1), V(0)),
	CALL(lseek, F(F_FILE), O(0), N(0)),
	CALL(mmap, V(0), L(4096), X(PROT_READ), V(MAP_PRIVATE), F(F_FILE), O(0)),
	CALL(mmap, V(0), L(4096), V(PROT_READ), N(MAP_SHARED), F(F_FILE), O(0)),
	CALL(mmap, V(0), L(4096), V(PROT_READ | PROT_WRITE), V(MAP_SHARED), F(F_FILE), O(0)),
	CALL(mprotect, R(8), L(4096), N(PROT_READ)),
	CALL(munmap, R(8), L(4096)),
	CALL(mremap, R(8), L(4096), V(4096), N(MREMAP_MAYMOVE), V(ARENA + (1L << 30))),
	CALL(msync, R(8), V(4096), N(MS_SYNC)),
	CALL(mincore, V(ARENA), V(8192), R(2)),
	CALL(madvise, R(8), L(4096), V(MADV_NORMAL)),
	CALL(rt_sigaction, N(SIGUSR1), I(t_action), R(32), L(8)),
	CALL(rt_sigprocmask, N(SIG_BLOCK), I(t_mask), R(8), L(8)),
	CALL(rt_sigpending, R(8), L(8)),
	CALL(rt_sigtimedwait, I(t_mask), R(128), I(t_zero), L(8)),
	CALL(rt_sigsuspend, I(t_mask), L(8)),
	CALL(sigaltstack, I(t_stack), R(24)),
	CALL(ioctl, F(F_FILE), V(FIONREAD), R(4)),
	CALL(ioctl, F(F_PIPE_R), V(FIONREAD), R(4)),
	CALL(ioctl, F(F_SOCK), V(FIONBIO), I(t_one)),
	CALL(ioctl, F(F_FILE), V(0x5401), R(36)),
	CALL(pread64, F(F_FILE), R(8), L(8), O(0)),
	CALL(pwrite64, F(F_FILE), I(t_text), L(8), O(0)),
	CALL(readv, F(F_FILE), I(t_iov), N(2)),
	CALL(writev, F(F_FILE), I(t_iov), N(2)),
	CALL(preadv, F(F_FILE), I(t_iov), N(2), O(0), V(0)),
	CALL(pwritev, F(F_FILE), I(t_iov), N(2), O(0), V(0)),
	CALL(preadv2, F(F_FILE), I(t_iov), N(2), O(0), V(0), V(0)),
	CALL(pwritev2, F(F_FILE), I(t_iov), N(2), O(0), V(0), V(0)),
	CALL(access, P("file"), N(R_OK)),
	CALL(pipe, R(8)),
	CALL(pipe2, R(8), X(0)),
	CALL(select, N(4), IO(t_set), IO(t_set), IO(t_set), I(t_zero)),
	CALL(pselect6, N(4), IO(t_set), IO(t_set), IO(t_set), I(t_zero), I(t_pselect)),
	CALL(ppoll, IO(t_poll), L(1), I(t_zero), I(t_mask), L(8)),
	CALL(dup, F(F_FILE)),
	CALL(dup2, F(F_FILE), N(35)),
	CALL(dup3, F(F_FILE), V(35), X(0)),
	CALL(nanosleep, I(t_zero), R(16)),
	CALL(clock_nanosleep, N(CLOCK_MONOTONIC), N(0), I(t_zero), R(16)),
	CALL(getitimer, N(0), R(32)),
	CALL(setitimer, N(1), I(t_timer), R(32)),
	CALL(sendfile, F(F_PIPE_W), F(F_FILE), IO(t_offset), L(4)),
	CALL(copy_file_range, F(F_FILE), IO(t_offset), F(F_MEMFD), IO(t_offset), V(4), X(0)),
	CALL(splice, F(F_FILE), IO(t_offset), F(F_PIPE_W), Z(8), L(4), X(SPLICE_F_NONBLOCK)),
	CALL(splice, F(F_PIPE_R), Z(8), F(F_FILE), IO(t_offset), L(4), X(SPLICE_F_NONBLOCK)),
	CALL(tee, F(F_PIPE_R), F(F_PIPE_W), V(4), X(SPLICE_F_NONBLOCK)),
	CALL(vmsplice, F(F_PIPE_W), I(t_iov), N(2), X(SPLICE_F_NONBLOCK)),
	CALL(socket, V(AF_UNIX), N(SOCK_STREAM), N(0)),
	CALL(socketpair, V(AF_UNIX), N(SOCK_STREAM), N(0), R(8)),
	CALL(connect, F(F_DGRAM), I(t_name), L(sizeof t_name)),
	CALL(bind, F(F_DGRAM), I(t_new), L(sizeof t_new)),
	CALL(listen, F(F_LISTEN), N(5)),
	CALL(accept, F(F_LISTEN), R(110), IO(t_length)),
	CALL(accept4, F(F_LISTEN), R(110), IO(t_length), X(0)),
	CALL(getsockname, F(F_LISTEN), R(16), IO(t_length)),
	CALL(getpeername, F(F_SOCK), R(2), IO(t_length)),
	CALL(shutdown, F(F_SOCK2), N(SHUT_WR)),
	CALL(sendto, F(F_SOCK), I(t_text), L(8), V(MSG_DONTWAIT), Z(110), V(0)),
	CALL(sendto, F(F_DGRAM), I(t_text), V(8), V(MSG_DONTWAIT), I(t_name), L(sizeof t_name)),
	CALL(recvfrom, F(F_SOCK), R(8), L(8), V(MSG_DONTWAIT), R(2), IO(t_length)),
	CALL(sendmsg, F(F_SOCK), I(t_message), V(MSG_DONTWAIT)),
	CALL(recvmsg, F(F_SOCK), IO(t_receive), V(MSG_DONTWAIT)),
	CALL(sendmmsg, F(F_SOCK), IO(t_messages), V(1), V(MSG_DONTWAIT)),
	CALL(recvmmsg, F(F_SOCK), IO(t_messages), V(1), V(MSG_DONTWAIT), Z(16)),
	CALL(setsockopt, F(F_SOCK), N(SOL_SOCKET), V(SO_PASSCRED), I(t_one), L(4)),
	CALL(getsockopt, F(F_SOCK), N(SOL_SOCKET), V(SO_TYPE), R(4), IO(t_length)),
	CALL(execve, P("missing"), Z(8), Z(8)),
	CALL(execveat, D, P("missing"), Z(8), Z(8), X(0)),
	CALL(wait4, N(-1), R(4), X(WNOHANG), R(144)),
	CALL(waitid, N(P_ALL), V(0), R(128), X(WEXITED | WNOHANG), R(144)),
	CALL(kill, V(SELF_PID), N(0)),
	CALL(tkill, V(SELF_PID), N(0)),
	CALL(tgkill, V(SELF_PID), V(SELF_PID), N(0)),
	CALL(uname, R(390)),
	CALL(fcntl, F(F_FILE), V(F_DUPFD), N(10)),
	CALL(fcntl, F(F_FILE), V(F_GETFD), V(0)),
	CALL(fcntl, F(F_FILE), V(F_SETFD), X(0)),
	CALL(fcntl, F(F_FILE), V(F_GETFL), V(0)),
	CALL(fcntl, F(F_FILE), V(F_GETLK), IO(t_lock)),
	CALL(fcntl, F(F_FILE), V(F_SETLK), I(t_lock)),
	CALL(fcntl, F(F_FILE), V(F_OFD_SETLK), I(t_lock)),
	CALL(fcntl, F(F_PIPE_R), V(F_GETPIPE_SZ), V(0)),
	CALL(fcntl, F(F_PIPE_R), V(F_SETPIPE_SZ), V(4096)),
	CALL(fcntl, F(F_PIPE_R), V(F_GETOWN_EX), R(8)),
	CALL(flock, F(F_FILE), N(LOCK_SH)),
	CALL(fsync, F(F_FILE)),
	CALL(fdatasync, F(F_FILE)),
	CALL(sync_file_range, F(F_FILE), O(0), O(0), X(0)),
	CALL(truncate, P("file"), O(10)),
	CALL(ftruncate, F(F_FILE), O(10)),
	CALL(fallocate, F(F_FILE), V(0), O(0), O(100)),
	CALL(fadvise64, F(F_FILE), V(0), O(0), N(0)),
	CALL(readahead, F(F_FILE), V(0), O(10)),
	CALL(getdents, F(F_DIR), R(64), L(300)),
	CALL(getdents64, F(F_DIR), R(64), L(300)),
	CALL(getcwd, R(64), L(4096)),
	CALL(chdir, P("dir")),
	CALL(fchdir, F(F_DIR)),
	CALL(chroot, P("dir")),
	CALL(rename, P("file"), P("new")),
	CALL(renameat, D, P("file"), D, P("new")),
	CALL(renameat2, D, P("new"), D, P("file"), V(0)),
	CALL(mkdir, P("newdir"), V(0755)),
	CALL(mkdirat, D, P("newdir"), V(0755)),
	CALL(rmdir, P("newdir")),
	CALL(creat, P("created"), V(0644)),
	CALL(link, P("file"), P("hard")),
	CALL(linkat, D, P("file"), D, P("hard"), V(0)),
	CALL(unlink, P("hard")),
	CALL(unlinkat, D, P("hard"), X(0)),
	CALL(symlink, P("target"), P("soft")),
	CALL(symlinkat, P("target"), D, P("soft")),
	CALL(readlink, P("link"), R(4), L(100)),
	CALL(readlinkat, D, P("link"), R(4), L(100)),
	CALL(mknod, P("fifo"), V(S_IFIFO | 0644), V(0)),
	CALL(mknodat, D, P("fifo"), V(S_IFIFO | 0644), V(0)),
	CALL(chmod, P("file"), V(0600)),
	CALL(fchmod, F(F_FILE), V(0600)),
	CALL(fchmodat, D, P("file"), V(0600)),
	{"fchmodat2", 452, {D, P("file"), V(0600), X(0)}},
	CALL(chown, P("file"), V(1), V(1)),
	CALL(lchown, P("link"), V(1), V(1)),
	CALL(fchown, F(F_FILE), V(1), V(1)),
	CALL(fchownat, D, P("file"), V(1), V(1), X(0)),
	CALL(gettimeofday, R(16), R(8)),
	CALL(time, W(8)),
	CALL(times, R(32)),
	CALL(sysinfo, R(112)),
	CALL(getrlimit, N(7), R(16)),
	CALL(setrlimit, N(7), I(t_limit)),
	CALL(prlimit64, V(0), N(7), I(t_limit), R(16)),
	CALL(getrusage, N(0), R(144)),
	CALL(getresuid, R(4), R(4), R(4)),
	CALL(getresgid, R(4), R(4), R(4)),
	CALL(getgroups, N(0), R(4)),
	CALL(setgroups, L(2), I(t_groups)),
	CALL(setpgid, V(0), V(0)),
	CALL(capget, IO(t_cap), R(24)),
	CALL(capset, IO(t_cap), I(t_caps)),
	CALL(utime, P("file"), I(t_utime)),
	CALL(utimes, P("file"), I(t_val)),
	CALL(futimesat, D, P("file"), I(t_val)),
	CALL(utimensat, D, P("file"), I(t_now), X(0)),
	CALL(statfs, P("file"), R(120)),
	CALL(fstatfs, F(F_FILE), R(120)),
	CALL(getpriority, N(0), V(0)),
	CALL(setpriority, N(0), V(0), N(1)),
	CALL(sched_getparam, V(0), R(4)),
	CALL(sched_getscheduler, V(0)),
	CALL(sched_get_priority_max, N(0)),
	CALL(sched_get_priority_min, N(0)),
	CALL(sched_rr_get_interval, V(0), R(16)),
	CALL(sched_setaffinity, V(0), L(8), I(t_cpus)),
	CALL(sched_getaffinity, V(0), V(8), R(8)),
	CALL(getcpu, R(4), R(4), Z(8)),
	CALL(mlock, R(8), L(4096)),
	CALL(mlock2, R(8), L(4096), X(0)),
	CALL(munlock, R(8), L(4096)),
	CALL(mlockall, N(1)),
	CALL(prctl, V(PR_SET_NAME), I(t_text)),
	CALL(prctl, V(PR_GET_NAME), R(16)),
	CALL(prctl, V(PR_GET_PDEATHSIG), R(4)),
	CALL(prctl, V(PR_SET_PDEATHSIG), N(9)),
	CALL(prctl, V(PR_SET_DUMPABLE), N(1)),
	CALL(prctl, V(PR_SET_NO_NEW_PRIVS), N(1), V(0), V(0), V(0)),
	CALL(prctl, V(PR_CAPBSET_READ), N(1)),
	CALL(personality, V(0xffffffff)),
	CALL(setxattr, P("file"), I(t_xattr), I(t_text), L(8), X(0)),
	CALL(lsetxattr, P("file"), I(t_xattr), I(t_text), L(8), X(0)),
	CALL(fsetxattr, F(F_FILE), I(t_xattr), I(t_text), L(8), X(0)),
	CALL(getxattr, P("file"), I(t_xattr), R(8), L(16)),
	CALL(lgetxattr, P("file"), I(t_xattr), R(8), L(16)),
	CALL(fgetxattr, F(F_FILE), I(t_xattr), R(8), L(16)),
	CALL(listxattr, P("file"), R(8), L(100)),
	CALL(llistxattr, P("file"), R(8), L(100)),
	CALL(flistxattr, F(F_FILE), R(8), L(100)),
	CALL(removexattr, P("file"), I(t_xattr)),
	CALL(lremovexattr, P("file"), I(t_xattr)),
	CALL(fremovexattr, F(F_FILE), I(t_xattr)),
	CALL(futex, IO(t_word), V(FUTEX_WAIT), V(1), Z(16), Z(4), V(0)),
	CALL(futex, IO(t_word), N(FUTEX_WAKE), V(1), Z(16), Z(4), V(0)),
	CALL(futex, IO(t_word), V(FUTEX_REQUEUE), V(1), V(1), IO(t_word), V(0)),
	CALL(epoll_create, N(1)),
	CALL(epoll_create1, X(0)),
	CALL(epoll_ctl, F(F_EPOLL), V(EPOLL_CTL_ADD), F(F_PIPE_R), I(t_event)),
	CALL(epoll_ctl, F(F_EPOLL), N(EPOLL_CTL_MOD), F(F_PIPE_W), I(t_event)),
	CALL(epoll_wait, F(F_EPOLL), R(12), N(1), V(0)),
	CALL(epoll_pwait, F(F_EPOLL), R(12), V(1), V(0), I(t_mask), L(8)),
	CALL(epoll_pwait2, F(F_EPOLL), R(12), V(1), I(t_zero), I(t_mask), L(8)),
	CALL(timer_create, N(1), I(t_sigevent), R(4)),
	CALL(timer_settime, N(1000), V(0), I(t_spec), R(32)),
	CALL(timer_gettime, N(1000), R(32)),
	CALL(timer_delete, N(1000)),
	CALL(timer_getoverrun, N(1000)),
	CALL(clock_gettime, N(1), R(16)),
	CALL(clock_getres, N(1), R(16)),
	CALL(openat, D, P("file"), X(O_RDONLY), V(0)),
	CALL(openat2, D, P("file"), I(t_how), L(24)),
	CALL(newfstatat, D, P("file"), R(144), X(0)),
	CALL(statx, D, P("file"), X(0), V(0x7ff), R(256)),
	CALL(faccessat, D, P("file"), N(0)),
	CALL(faccessat2, D, P("file"), V(0), X(0)),
	CALL(signalfd, F(F_SIGNAL), I(t_mask), L(8)),
	CALL(signalfd4, V(-1), I(t_mask), L(8), X(0)),
	CALL(eventfd2, V(0), X(0)),
	CALL(timerfd_create, N(1), X(0)),
	CALL(timerfd_settime, F(F_TIMER), X(0), I(t_spec), R(32)),
	CALL(timerfd_gettime, F(F_TIMER), R(32)),
	CALL(rt_sigqueueinfo, V(SELF_PID), V(0), R(128)),
	CALL(syncfs, F(F_FILE)),
	CALL(process_vm_readv, V(SELF_PID), I(t_iov), V(2), I(t_iov), V(2), N(0)),
	CALL(process_vm_writev, V(SELF_PID), I(t_iov), V(2), I(t_iov), V(2), N(0)),
	CALL(getrandom, R(8), L(8), X(0)),
	CALL(memfd_create, I(t_text), X(0)),
	CALL(pidfd_send_signal, F(F_PIDFD), V(0), Z(128), N(0)),
	CALL(pidfd_open, V(SELF_PID), X(0)),
	CALL(close_range, N(38), N(39), X(0)),
	CALL(inotify_add_watch, F(F_INOTIFY), P("file"), X(2)),
	CALL(inotify_rm_watch, F(F_INOTIFY), N(1)),
	CALL(inotify_init1, X(0)),
	CALL(umask, V(022)),
};

/**
 * Argument kinds of each call, in order, for strace lines. Calls that are not listed show six hexadecimal words.
 *
 * Kinds: `fd` `i` (int) `u` `l` (64-bit signed) `z` (64-bit) `p` pointer, `x` hexadecimal, `o` octal mode, `path` `str`
 * strings, `in` bytes whose length is the next argument, `argv`, `envp`, `sig`, `set`, `act`, `ts` (timespec), `iov`; a
 * `>` behind a kind: filled by the kernel, shown when the call is over (`out` bytes: the result is their length, `u32>`,
 * `fds>` two descriptors, `wait>` status, `act>`, `set>`, `ts>`, `stat>`). Others name a table of flags.
 */
const text = `
read fd out z
write fd in z
open path open o
close fd
stat path stat>
fstat fd stat>
lstat path stat>
poll p u i
lseek fd l whence
mmap p z prot map fd z
mprotect p z prot
munmap p z
brk p
rt_sigaction sig act act> z
rt_sigprocmask how set set> z
rt_sigreturn
ioctl fd ioctl p
pread64 fd out z l
pwrite64 fd in z l
readv fd iov i
writev fd iov i
access path access
pipe fds>
select i p p p p
sched_yield
mremap p z z mremap p
msync p z x
mincore p z p
madvise p z madvice
dup fd
dup2 fd fd
pause
nanosleep ts ts>
getitimer itimer p
alarm u
setitimer itimer p p
getpid
sendfile fd fd p z
socket family socktype i
connect fd p i
accept fd p p
sendto fd in z x p i
recvfrom fd out z x p p
sendmsg fd p x
recvmsg fd p x
shutdown fd i
bind fd p i
listen fd i
getsockname fd p p
getpeername fd p p
socketpair family socktype i fds>
setsockopt fd i i p i
getsockopt fd i i p p
clone clone p p p p
fork
vfork
execve path argv envp
exit i
wait4 i wait> wait p
kill i sig
uname p
fcntl fd fcntl x
flock fd i
fsync fd
fdatasync fd
truncate path l
ftruncate fd l
getdents fd p u
getcwd p z
chdir path
fchdir fd
rename path path
mkdir path o
rmdir path
creat path o
link path path
unlink path
symlink str path
readlink path out z
chmod path o
fchmod fd o
chown path i i
fchown fd i i
lchown path i i
umask o
gettimeofday p p
getrlimit rlimit p
getrusage i p
sysinfo p
times p
getuid
getgid
geteuid
getegid
setuid i
setgid i
setpgid i i
getppid
getpgrp
setsid
setreuid i i
setregid i i
getgroups i p
setgroups i p
setresuid i i i
getresuid u32> u32> u32>
setresgid i i i
getresgid u32> u32> u32>
getpgid i
setfsuid i
setfsgid i
getsid i
capget p p
capset p p
rt_sigpending set>
rt_sigtimedwait set p ts z
rt_sigqueueinfo i sig p
rt_sigsuspend set z
sigaltstack p p
utime path p
mknod path o x
personality x
statfs path p
fstatfs fd p
getpriority i i
setpriority i i i
sched_setparam i p
sched_getparam i p
sched_setscheduler i i p
sched_getscheduler i
sched_get_priority_max i
sched_get_priority_min i
mlock p z
munlock p z
mlockall x
munlockall
prctl prctl x x x x
arch_prctl archprctl p
setrlimit rlimit p
chroot path
sync
mount path path str x p
umount2 path x
sethostname str z
gettid
readahead fd l z
setxattr path str p z i
getxattr path str p z
listxattr path p z
removexattr path str
fsetxattr fd str p z i
fgetxattr fd str p z
flistxattr fd p z
fremovexattr fd str
tkill i sig
time p
futex p futex u p p x
sched_setaffinity i u p
sched_getaffinity i u p
getdents64 fd p u
set_tid_address p
restart_syscall
fadvise64 fd l l i
timer_create clock p u32>
timer_settime i i p p
timer_gettime i p
timer_getoverrun i
timer_delete i
clock_settime clock ts
clock_gettime clock ts>
clock_getres clock ts>
clock_nanosleep clock i ts ts>
exit_group i
epoll_wait fd p i i
epoll_ctl fd epollop fd p
tgkill i i sig
waitid i i p wait p
inotify_add_watch fd path x
openat dirfd path open o
mkdirat dirfd path o
mknodat dirfd path o x
fchownat dirfd path i i at
newfstatat dirfd path stat> at
unlinkat dirfd path at
renameat dirfd path dirfd path
linkat dirfd path dirfd path at
symlinkat str dirfd path
readlinkat dirfd path out z
fchmodat dirfd path o
faccessat dirfd path access
pselect6 i p p p p p
ppoll p u ts p z
unshare clone
set_robust_list p z
get_robust_list i p p
splice fd p fd p z x
tee fd fd z x
sync_file_range fd l l x
utimensat dirfd path p at
epoll_pwait fd p i i p z
signalfd fd set z
timerfd_create clock x
eventfd u
fallocate fd x l l
timerfd_settime fd x p p
timerfd_gettime fd p
accept4 fd p p x
signalfd4 fd set z x
eventfd2 u x
epoll_create1 x
dup3 fd fd open
pipe2 fds> open
inotify_init1 x
preadv fd iov i l
pwritev fd iov i l
rt_tgsigqueueinfo i i sig p
prlimit64 i rlimit p p
syncfs fd
sendmmsg fd p u x
recvmmsg fd p u x ts
getcpu u32> u32>
process_vm_readv i p z p z x
process_vm_writev i p z p z x
renameat2 dirfd path dirfd path x
seccomp u u p
getrandom p z x
memfd_create str x
execveat dirfd path argv envp at
membarrier i x
mlock2 p z x
copy_file_range fd p fd p z x
preadv2 fd iov i l l x
pwritev2 fd iov i l l x
statx dirfd path at x p
rseq p u x x
pidfd_send_signal fd sig p x
pidfd_open i x
clone3 p z
close_range u u x
openat2 dirfd path p z
pidfd_getfd fd fd x
faccessat2 dirfd path access at
epoll_pwait2 fd p i ts p z
fchmodat2 dirfd path o at
`;

/** Kinds by call name. */
export const signatures: ReadonlyMap<string, readonly string[]> = new Map(
  text
    .trim()
    .split("\n")
    .map((line) => {
      const [name, ...kinds] = line.split(" ");
      return [name!, kinds] as const;
    }),
);

/** struct new_utsname, uname(2): six strings of 65 bytes. */
export const UTS_FIELD = 65;
export const UTSNAME_SIZE: number = UTS_FIELD * 6;
/** Longest host name and domain name, bytes. */
export const UTS_NAME_MAX = 64;

/** What uname -r says: the Linux whose behaviour the kernel follows. glibc checks it against its own minimum. */
export const LINUX_RELEASE = "6.1.0-tsvisor";
export const LINUX_VERSION = "#1 SMP PREEMPT_DYNAMIC tsvisor";
export const LINUX_SYSNAME = "Linux";
export const LINUX_MACHINE = "x86_64";

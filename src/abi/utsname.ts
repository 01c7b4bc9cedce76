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
/** /proc/version, and the first of the kernel's messages. */
export const LINUX_BANNER: string = `${LINUX_SYSNAME} version ${LINUX_RELEASE} (tsvisor@tsvisor) (tsvisor) ${LINUX_VERSION}`;
/** /proc/cmdline. */
export const LINUX_COMMAND_LINE: string = `BOOT_IMAGE=/vmlinuz-${LINUX_RELEASE} quiet`;

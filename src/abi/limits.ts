/** Limits of names, paths and files (linux/limits.h, path_resolution(7)). */

/** Longest file name, bytes. */
export const NAME_MAX = 255;
/** Longest path, bytes, its NUL included. */
export const PATH_MAX = 4096;
/** Writes up to this many bytes to a pipe are atomic. */
export const PIPE_BUF = 4096;
/** Symbolic links followed in one path resolution. */
export const MAXSYMLINKS = 40;
export const XATTR_NAME_MAX = 255;
export const XATTR_SIZE_MAX = 65536;
export const XATTR_LIST_MAX = 65536;
/** Largest count of one read or write: MAX_RW_COUNT in Linux. */
export const MAX_RW_COUNT = 0x7ffff000;
/** Most ranges of one readv/writev. */
export const IOV_MAX = 1024;
/** Largest file offset we accept: i53 limits, far above any real file (Linux: 2^63-1). */
export const MAX_FILE_SIZE = 0x1fffffffffffff;
export const LINK_MAX = 65000;

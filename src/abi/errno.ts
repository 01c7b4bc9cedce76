/**
 * Linux error numbers (errno(3), asm-generic/errno.h), as positive constants: the kernel returns `-ENOENT`.
 * The numbers from 512 on never reach a guest: they tell the system call exit path how an interrupted call goes on.
 */

export const EPERM = 1; // Operation not permitted
export const ENOENT = 2; // No such file or directory
export const ESRCH = 3; // No such process
export const EINTR = 4; // Interrupted system call
export const EIO = 5; // I/O error
export const ENXIO = 6; // No such device or address
export const E2BIG = 7; // Argument list too long
export const ENOEXEC = 8; // Exec format error
export const EBADF = 9; // Bad file number
export const ECHILD = 10; // No child processes
export const EAGAIN = 11; // Try again
export const ENOMEM = 12; // Out of memory
export const EACCES = 13; // Permission denied
export const EFAULT = 14; // Bad address
export const ENOTBLK = 15; // Block device required
export const EBUSY = 16; // Device or resource busy
export const EEXIST = 17; // File exists
export const EXDEV = 18; // Cross-device link
export const ENODEV = 19; // No such device
export const ENOTDIR = 20; // Not a directory
export const EISDIR = 21; // Is a directory
export const EINVAL = 22; // Invalid argument
export const ENFILE = 23; // File table overflow
export const EMFILE = 24; // Too many open files
export const ENOTTY = 25; // Not a typewriter
export const ETXTBSY = 26; // Text file busy
export const EFBIG = 27; // File too large
export const ENOSPC = 28; // No space left on device
export const ESPIPE = 29; // Illegal seek
export const EROFS = 30; // Read-only file system
export const EMLINK = 31; // Too many links
export const EPIPE = 32; // Broken pipe
export const EDOM = 33; // Math argument out of domain of func
export const ERANGE = 34; // Math result not representable
export const EDEADLK = 35; // Resource deadlock would occur
export const ENAMETOOLONG = 36; // File name too long
export const ENOLCK = 37; // No record locks available
export const ENOSYS = 38; // Invalid system call number
export const ENOTEMPTY = 39; // Directory not empty
export const ELOOP = 40; // Too many symbolic links encountered
export const EWOULDBLOCK: number = EAGAIN;
export const ENOMSG = 42; // No message of desired type
export const EIDRM = 43; // Identifier removed
export const ECHRNG = 44; // Channel number out of range
export const EL2NSYNC = 45; // Level 2 not synchronized
export const EL3HLT = 46; // Level 3 halted
export const EL3RST = 47; // Level 3 reset
export const ELNRNG = 48; // Link number out of range
export const EUNATCH = 49; // Protocol driver not attached
export const ENOCSI = 50; // No CSI structure available
export const EL2HLT = 51; // Level 2 halted
export const EBADE = 52; // Invalid exchange
export const EBADR = 53; // Invalid request descriptor
export const EXFULL = 54; // Exchange full
export const ENOANO = 55; // No anode
export const EBADRQC = 56; // Invalid request code
export const EBADSLT = 57; // Invalid slot
export const EDEADLOCK: number = EDEADLK;
export const EBFONT = 59; // Bad font file format
export const ENOSTR = 60; // Device not a stream
export const ENODATA = 61; // No data available
export const ETIME = 62; // Timer expired
export const ENOSR = 63; // Out of streams resources
export const ENONET = 64; // Machine is not on the network
export const ENOPKG = 65; // Package not installed
export const EREMOTE = 66; // Object is remote
export const ENOLINK = 67; // Link has been severed
export const EADV = 68; // Advertise error
export const ESRMNT = 69; // Srmount error
export const ECOMM = 70; // Communication error on send
export const EPROTO = 71; // Protocol error
export const EMULTIHOP = 72; // Multihop attempted
export const EDOTDOT = 73; // RFS specific error
export const EBADMSG = 74; // Not a data message
export const EOVERFLOW = 75; // Value too large for defined data type
export const ENOTUNIQ = 76; // Name not unique on network
export const EBADFD = 77; // File descriptor in bad state
export const EREMCHG = 78; // Remote address changed
export const ELIBACC = 79; // Can not access a needed shared library
export const ELIBBAD = 80; // Accessing a corrupted shared library
export const ELIBSCN = 81; // .lib section in a.out corrupted
export const ELIBMAX = 82; // Attempting to link in too many shared libraries
export const ELIBEXEC = 83; // Cannot exec a shared library directly
export const EILSEQ = 84; // Illegal byte sequence
export const ERESTART = 85; // Interrupted system call should be restarted
export const ESTRPIPE = 86; // Streams pipe error
export const EUSERS = 87; // Too many users
export const ENOTSOCK = 88; // Socket operation on non-socket
export const EDESTADDRREQ = 89; // Destination address required
export const EMSGSIZE = 90; // Message too long
export const EPROTOTYPE = 91; // Protocol wrong type for socket
export const ENOPROTOOPT = 92; // Protocol not available
export const EPROTONOSUPPORT = 93; // Protocol not supported
export const ESOCKTNOSUPPORT = 94; // Socket type not supported
export const EOPNOTSUPP = 95; // Operation not supported on transport endpoint
export const EPFNOSUPPORT = 96; // Protocol family not supported
export const EAFNOSUPPORT = 97; // Address family not supported by protocol
export const EADDRINUSE = 98; // Address already in use
export const EADDRNOTAVAIL = 99; // Cannot assign requested address
export const ENETDOWN = 100; // Network is down
export const ENETUNREACH = 101; // Network is unreachable
export const ENETRESET = 102; // Network dropped connection because of reset
export const ECONNABORTED = 103; // Software caused connection abort
export const ECONNRESET = 104; // Connection reset by peer
export const ENOBUFS = 105; // No buffer space available
export const EISCONN = 106; // Transport endpoint is already connected
export const ENOTCONN = 107; // Transport endpoint is not connected
export const ESHUTDOWN = 108; // Cannot send after transport endpoint shutdown
export const ETOOMANYREFS = 109; // Too many references: cannot splice
export const ETIMEDOUT = 110; // Connection timed out
export const ECONNREFUSED = 111; // Connection refused
export const EHOSTDOWN = 112; // Host is down
export const EHOSTUNREACH = 113; // No route to host
export const EALREADY = 114; // Operation already in progress
export const EINPROGRESS = 115; // Operation now in progress
export const ESTALE = 116; // Stale file handle
export const EUCLEAN = 117; // Structure needs cleaning
export const ENOTNAM = 118; // Not a XENIX named type file
export const ENAVAIL = 119; // No XENIX semaphores available
export const EISNAM = 120; // Is a named type file
export const EREMOTEIO = 121; // Remote I/O error
export const EDQUOT = 122; // Quota exceeded
export const ENOMEDIUM = 123; // No medium found
export const EMEDIUMTYPE = 124; // Wrong medium type
export const ECANCELED = 125; // Operation Canceled
export const ENOKEY = 126; // Required key not available
export const EKEYEXPIRED = 127; // Key has expired
export const EKEYREVOKED = 128; // Key has been revoked
export const EKEYREJECTED = 129; // Key was rejected by service
export const EOWNERDEAD = 130; // Owner died
export const ENOTRECOVERABLE = 131; // State not recoverable
export const ERFKILL = 132; // Operation not possible due to RF-kill
export const EHWPOISON = 133; // Memory page has hardware error

/** Interrupted; restart if the signal's handler has SA_RESTART, else EINTR. */
export const ERESTARTSYS = 512;
/** Interrupted; always restart. */
export const ERESTARTNOINTR = 513;
/** Interrupted; EINTR if a handler runs, else restart. */
export const ERESTARTNOHAND = 514;
/** Interrupted; EINTR if a handler runs, else continue by restart_syscall(2). */
export const ERESTART_RESTARTBLOCK = 516;

/** Largest error number: results in -MAX_ERRNO..-1 are errors. */
export const MAX_ERRNO = 4095;

/** True for the error half of a `T | number` result whose number half holds only negative error numbers. */
export function isErrno(r: unknown): r is number {
  return typeof r === "number";
}

const NAMES: readonly (string | undefined)[] = names();

function names(): (string | undefined)[] {
  const t: (string | undefined)[] = [];
  const list =
    "EPERM:1 ENOENT:2 ESRCH:3 EINTR:4 EIO:5 ENXIO:6 E2BIG:7 ENOEXEC:8 EBADF:9 ECHILD:10 EAGAIN:11 ENOMEM:12 " +
    "EACCES:13 EFAULT:14 ENOTBLK:15 EBUSY:16 EEXIST:17 EXDEV:18 ENODEV:19 ENOTDIR:20 EISDIR:21 EINVAL:22 " +
    "ENFILE:23 EMFILE:24 ENOTTY:25 ETXTBSY:26 EFBIG:27 ENOSPC:28 ESPIPE:29 EROFS:30 EMLINK:31 EPIPE:32 EDOM:33 " +
    "ERANGE:34 EDEADLK:35 ENAMETOOLONG:36 ENOLCK:37 ENOSYS:38 ENOTEMPTY:39 ELOOP:40 ENOMSG:42 EIDRM:43 " +
    "ECHRNG:44 EL2NSYNC:45 EL3HLT:46 EL3RST:47 ELNRNG:48 EUNATCH:49 ENOCSI:50 EL2HLT:51 EBADE:52 EBADR:53 " +
    "EXFULL:54 ENOANO:55 EBADRQC:56 EBADSLT:57 EBFONT:59 ENOSTR:60 ENODATA:61 ETIME:62 ENOSR:63 ENONET:64 " +
    "ENOPKG:65 EREMOTE:66 ENOLINK:67 EADV:68 ESRMNT:69 ECOMM:70 EPROTO:71 EMULTIHOP:72 EDOTDOT:73 EBADMSG:74 " +
    "EOVERFLOW:75 ENOTUNIQ:76 EBADFD:77 EREMCHG:78 ELIBACC:79 ELIBBAD:80 ELIBSCN:81 ELIBMAX:82 ELIBEXEC:83 " +
    "EILSEQ:84 ERESTART:85 ESTRPIPE:86 EUSERS:87 ENOTSOCK:88 EDESTADDRREQ:89 EMSGSIZE:90 EPROTOTYPE:91 " +
    "ENOPROTOOPT:92 EPROTONOSUPPORT:93 ESOCKTNOSUPPORT:94 EOPNOTSUPP:95 EPFNOSUPPORT:96 EAFNOSUPPORT:97 " +
    "EADDRINUSE:98 EADDRNOTAVAIL:99 ENETDOWN:100 ENETUNREACH:101 ENETRESET:102 ECONNABORTED:103 ECONNRESET:104 " +
    "ENOBUFS:105 EISCONN:106 ENOTCONN:107 ESHUTDOWN:108 ETOOMANYREFS:109 ETIMEDOUT:110 ECONNREFUSED:111 " +
    "EHOSTDOWN:112 EHOSTUNREACH:113 EALREADY:114 EINPROGRESS:115 ESTALE:116 EUCLEAN:117 ENOTNAM:118 " +
    "ENAVAIL:119 EISNAM:120 EREMOTEIO:121 EDQUOT:122 ENOMEDIUM:123 EMEDIUMTYPE:124 ECANCELED:125 ENOKEY:126 " +
    "EKEYEXPIRED:127 EKEYREVOKED:128 EKEYREJECTED:129 EOWNERDEAD:130 ENOTRECOVERABLE:131 ERFKILL:132 " +
    "EHWPOISON:133 ERESTARTSYS:512 ERESTARTNOINTR:513 ERESTARTNOHAND:514 ERESTART_RESTARTBLOCK:516";
  for (const item of list.split(" ")) {
    const colon = item.indexOf(":");
    t[Number(item.slice(colon + 1))] = item.slice(0, colon);
  }
  return t;
}

/** "ENOENT" for 2 or -2; "E<n>" when unknown. For messages and strace. */
export function errnoName(n: number): string {
  const positive = n < 0 ? -n : n;
  return NAMES[positive] ?? `E${positive}`;
}

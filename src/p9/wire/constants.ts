/**
 * Numbers of the 9P2000.L protocol and of our extension to it.
 *
 * Sources: the protocol page of diod (9P2000.L), intro(5) of Plan 9 (9P2000), include/net/9p/9p.h of Linux.
 * A request has an even type, its reply the next odd one.
 */

/** Plain 9P2000.L. */
export const VERSION_L = "9P2000.L";
/** 9P2000.L plus the messages from {@link TWALKATTR} on. */
export const VERSION_TSVISOR = "9P2000.L.tsvisor1";
/** What a server answers to a version it does not know. */
export const VERSION_UNKNOWN = "unknown";

export const TLERROR = 6; // never sent
export const RLERROR = 7;
export const TSTATFS = 8;
export const TLOPEN = 12;
export const TLCREATE = 14;
export const TSYMLINK = 16;
export const TMKNOD = 18;
export const TRENAME = 20;
export const TREADLINK = 22;
export const TGETATTR = 24;
export const TSETATTR = 26;
export const TXATTRWALK = 30;
export const TXATTRCREATE = 32;
export const TREADDIR = 40;
export const TFSYNC = 50;
export const TLOCK = 52;
export const TGETLOCK = 54;
export const TLINK = 70;
export const TMKDIR = 72;
export const TRENAMEAT = 74;
export const TUNLINKAT = 76;
export const TVERSION = 100;
export const TAUTH = 102;
export const TATTACH = 104;
export const TFLUSH = 108;
export const TWALK = 110;
export const TREAD = 116;
export const TWRITE = 118;
export const TCLUNK = 120;
export const TREMOVE = 122;

/** First message type of the extension; plain 9P stays below 128. */
export const FIRST_EXTENSION = 200;
export const TWALKATTR = 200;
export const TOPENAT = 202;
export const TCREATEAT = 204;
export const TMAKEAT = 206;
export const TREADDIRATTR = 208;
export const TCLUNKBATCH = 210;
export const TALLOCATE = 212;
export const TSETATTRX = 214;
export const TSETATTRAT = 242;
export const TRENAME2 = 216;
export const TGETXATTR = 218;
export const TLISTXATTR = 220;
export const TSETXATTR = 222;
export const TREMOVEXATTR = 224;
export const TLINKATTR = 226;
export const TREADDIRS = 228;
export const TXATTRNAMES = 230;
export const TNOTIFY = 232;
export const TWATCH = 234;
export const TUNWATCH = 236;
export const TCHANNEL = 238;
export const TUNLINKX = 240;

/** size[4] type[1] tag[2] in front of every message. */
export const HEADER_SIZE = 7;
/** What servers and clients set aside for all but the data of Tread, Treaddir and Twrite (P9_IOHDRSZ of Linux). */
export const IO_HEADER_SIZE = 24;
/** Smallest message size that either side accepts: every fixed-size message and a name fit. */
export const MIN_MSIZE = 4096;
/** Message size that we offer: an extended attribute of the largest size (64 KiB) fits. */
export const DEFAULT_MSIZE = 0x20000;
/** Largest message size that the server agrees to. */
export const MAX_MSIZE = 0x100000;

export const NOTAG = 0xffff;
export const NOFID = 0xffffffff;
/** n_uname of an attach that names no user. Also "leave as it is" for an owner or group. */
export const NOUID = 0xffffffff;
/** Most names in one walk (MAXWELEM, walk(5)). */
export const MAX_WALK = 16;
/** Longest file name in bytes (NAME_MAX). */
export const NAME_MAX = 255;
/** Longest symbolic link target in bytes (PATH_MAX without the NUL). */
export const TARGET_MAX = 4095;
/** Largest extended attribute value and attribute list in bytes (XATTR_SIZE_MAX, XATTR_LIST_MAX). */
export const XATTR_MAX = 65536;
/** Most names in one {@link TREADDIRS}. */
export const MAX_READDIRS = 128;
/** Most numbers in one {@link TCLUNKBATCH} or {@link TUNWATCH}. */
export const MAX_NUMBERS = 512;

/** qid.type: the high bits of a Plan 9 mode. */
export const QT_DIR = 0x80;
export const QT_APPEND = 0x40;
export const QT_EXCL = 0x20;
export const QT_AUTH = 0x08;
export const QT_TMP = 0x04;
export const QT_SYMLINK = 0x02;
export const QT_FILE = 0x00;
export const QID_SIZE = 13;

/** request_mask and valid of getattr (low word; the high word is always 0). */
export const GETATTR_MODE = 0x0001;
export const GETATTR_NLINK = 0x0002;
export const GETATTR_UID = 0x0004;
export const GETATTR_GID = 0x0008;
export const GETATTR_RDEV = 0x0010;
export const GETATTR_ATIME = 0x0020;
export const GETATTR_MTIME = 0x0040;
export const GETATTR_CTIME = 0x0080;
export const GETATTR_INO = 0x0100;
export const GETATTR_SIZE = 0x0200;
export const GETATTR_BLOCKS = 0x0400;
export const GETATTR_BTIME = 0x0800;
export const GETATTR_GEN = 0x1000;
export const GETATTR_DATA_VERSION = 0x2000;
export const GETATTR_BASIC = 0x07ff;
export const GETATTR_ALL = 0x3fff;

/** valid of setattr. A time without its _SET bit means "now". */
export const SETATTR_MODE = 0x001;
export const SETATTR_UID = 0x002;
export const SETATTR_GID = 0x004;
export const SETATTR_SIZE = 0x008;
export const SETATTR_ATIME = 0x010;
export const SETATTR_MTIME = 0x020;
export const SETATTR_CTIME = 0x040;
export const SETATTR_ATIME_SET = 0x080;
export const SETATTR_MTIME_SET = 0x100;
export const SETATTR_ALL = 0x1ff;

export const LOCK_TYPE_RDLCK = 0;
export const LOCK_TYPE_WRLCK = 1;
export const LOCK_TYPE_UNLCK = 2;
export const LOCK_FLAGS_BLOCK = 1;
export const LOCK_FLAGS_RECLAIM = 2;
export const LOCK_SUCCESS = 0;
export const LOCK_BLOCKED = 1;
export const LOCK_ERROR = 2;
export const LOCK_GRACE = 3;

/** flags of Twalkattr: only directories become fids; the newfid of any other file stays unused. */
export const WALK_DIRS_ONLY = 1;

/**
 * flags of Treaddirs: attributes of directories alone. Of other files the reply tells type, device and inode number as the
 * directory has them, and no links.
 */
export const READDIRS_BARE_FILES = 1;
/** The same: directories in those that are read, too, and in these, as long as half of a message has room. */
export const READDIRS_BELOW = 2;
/** So deep at most. */
export const MAX_LEVELS = 16;

/** flags of Rreaddirattr: no entries follow those of this reply. */
export const READDIR_EOF = 1;

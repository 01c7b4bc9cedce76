/* Files: open, read, write, attributes, names. One function per system call of the same name, see its man page. */
#include "addon.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

/* --- opening and closing; every fd made here has FD_CLOEXEC --- */

static napi_value js_openat(napi_env env, napi_callback_info info) {
  ARGS(4);
  ARG_I32(dirfd, 0);
  ARG_PATH(path, 1);
  ARG_I32(flags, 2);
  ARG_U32(mode, 3);
  return ret(env, RETRY(openat(dirfd, path, flags | O_CLOEXEC, (mode_t)mode)));
}

/* Not retried: on Linux the fd is gone even when close(2) fails with EINTR, which therefore counts as success. */
static napi_value js_close(napi_env env, napi_callback_info info) {
  ARGS(1);
  ARG_I32(fd, 0);
  int64_t result = RESULT(close(fd));
  return ret(env, result == -EINTR ? 0 : result);
}

static napi_value js_dup(napi_env env, napi_callback_info info) {
  ARGS(1);
  ARG_I32(fd, 0);
  return ret(env, RESULT(fcntl(fd, F_DUPFD_CLOEXEC, 0)));
}

/* --- data --- */

static napi_value js_read(napi_env env, napi_callback_info info) {
  ARGS(4);
  ARG_I32(fd, 0);
  ARG_U8S(buf, 1);
  ARG_I64(off, 2);
  ARG_I64(len, 3);
  CHECK_RANGE(off, len, buf_len);
  return ret(env, RETRY(read(fd, buf + off, (size_t)len)));
}

static napi_value js_write(napi_env env, napi_callback_info info) {
  ARGS(4);
  ARG_I32(fd, 0);
  ARG_U8S(buf, 1);
  ARG_I64(off, 2);
  ARG_I64(len, 3);
  CHECK_RANGE(off, len, buf_len);
  return ret(env, RETRY(write(fd, buf + off, (size_t)len)));
}

static napi_value js_pread(napi_env env, napi_callback_info info) {
  ARGS(5);
  ARG_I32(fd, 0);
  ARG_U8S(buf, 1);
  ARG_I64(off, 2);
  ARG_I64(len, 3);
  ARG_I64(pos, 4);
  CHECK_RANGE(off, len, buf_len);
  return ret(env, RETRY(pread(fd, buf + off, (size_t)len, pos)));
}

static napi_value js_pwrite(napi_env env, napi_callback_info info) {
  ARGS(5);
  ARG_I32(fd, 0);
  ARG_U8S(buf, 1);
  ARG_I64(off, 2);
  ARG_I64(len, 3);
  ARG_I64(pos, 4);
  CHECK_RANGE(off, len, buf_len);
  return ret(env, RETRY(pwrite(fd, buf + off, (size_t)len, pos)));
}

/* UIO_MAXIOV: what one preadv2 takes. */
#define VECTORS_MAX 1024

/*
 * vectored(fd, bufs, ranges, count, pos, flags): `ranges` is a Float64Array of off,len pairs; `bufs` is one Uint8Array
 * that all ranges lie in, or an array with one Uint8Array for each.
 */
static napi_value vectored(napi_env env, napi_callback_info info, bool write) {
  ARGS(6);
  ARG_I32(fd, 0);
  ARG_F64S(ranges, 2);
  ARG_I32(count, 3);
  ARG_I64(pos, 4);
  ARG_I32(flags, 5);
  if (count < 0 || count > VECTORS_MAX || (size_t)count * 2 > ranges_len) return bad_range(env);
  struct iovec vectors[VECTORS_MAX];
  bool is_array = false;
  napi_is_array(env, argv[1], &is_array);
  napi_value item = argv[1];
  uint8_t *buf = NULL;
  size_t size = 0;
  for (int i = 0; i < count; i++) {
    if (is_array || i == 0) {
      napi_typedarray_type type;
      void *data;
      if ((is_array && napi_get_element(env, argv[1], (uint32_t)i, &item) != napi_ok) ||
          napi_get_typedarray_info(env, item, &type, &size, &data, NULL, NULL) != napi_ok || type != napi_uint8_array)
        return bad_argument(env, 1, "a Uint8Array or an array of them");
      buf = data;
    }
    int64_t off = (int64_t)ranges[2 * i];
    int64_t len = (int64_t)ranges[2 * i + 1];
    CHECK_RANGE(off, len, size);
    vectors[i].iov_base = buf + off;
    vectors[i].iov_len = (size_t)len;
  }
  if (write) return ret(env, RETRY(pwritev2(fd, vectors, count, pos, flags)));
  return ret(env, RETRY(preadv2(fd, vectors, count, pos, flags)));
}

static napi_value js_readv(napi_env env, napi_callback_info info) { return vectored(env, info, false); }
static napi_value js_writev(napi_env env, napi_callback_info info) { return vectored(env, info, true); }

static napi_value js_lseek(napi_env env, napi_callback_info info) {
  ARGS(3);
  ARG_I32(fd, 0);
  ARG_I64(offset, 1);
  ARG_I32(whence, 2);
  return ret(env, RESULT(lseek(fd, offset, whence)));
}

static napi_value js_ftruncate(napi_env env, napi_callback_info info) {
  ARGS(2);
  ARG_I32(fd, 0);
  ARG_I64(size, 1);
  return ret(env, RETRY(ftruncate(fd, size)));
}

static napi_value js_fallocate(napi_env env, napi_callback_info info) {
  ARGS(4);
  ARG_I32(fd, 0);
  ARG_I32(mode, 1);
  ARG_I64(offset, 2);
  ARG_I64(len, 3);
  return ret(env, RETRY(fallocate(fd, mode, offset, len)));
}

static napi_value js_fsync(napi_env env, napi_callback_info info) {
  ARGS(1);
  ARG_I32(fd, 0);
  return ret(env, RETRY(fsync(fd)));
}

static napi_value js_fdatasync(napi_env env, napi_callback_info info) {
  ARGS(1);
  ARG_I32(fd, 0);
  return ret(env, RETRY(fdatasync(fd)));
}

static napi_value js_syncfs(napi_env env, napi_callback_info info) {
  ARGS(1);
  ARG_I32(fd, 0);
  return ret(env, RETRY(syncfs(fd)));
}

/* --- attributes --- */

/* Fields in the order of HSTAT_* in host.ts. */
#define STAT_LEN 18

static napi_value js_fstatat(napi_env env, napi_callback_info info) {
  ARGS(4);
  ARG_I32(dirfd, 0);
  ARG_PATH(path, 1);
  ARG_I32(flags, 2);
  ARG_F64S(out, 3);
  if (out_len < STAT_LEN) return bad_range(env);
  struct statx st;
  int64_t result = RETRY(statx(dirfd, path, flags, STATX_BASIC_STATS | STATX_BTIME, &st));
  if (result < 0) return ret(env, result);
  out[0] = (double)makedev(st.stx_dev_major, st.stx_dev_minor);
  out[1] = (double)st.stx_ino;
  out[2] = st.stx_mode;
  out[3] = st.stx_nlink;
  out[4] = st.stx_uid;
  out[5] = st.stx_gid;
  out[6] = (double)makedev(st.stx_rdev_major, st.stx_rdev_minor);
  out[7] = (double)st.stx_size;
  out[8] = st.stx_blksize;
  out[9] = (double)st.stx_blocks;
  out[10] = (double)st.stx_atime.tv_sec;
  out[11] = st.stx_atime.tv_nsec;
  out[12] = (double)st.stx_mtime.tv_sec;
  out[13] = st.stx_mtime.tv_nsec;
  out[14] = (double)st.stx_ctime.tv_sec;
  out[15] = st.stx_ctime.tv_nsec;
  bool has_birth = (st.stx_mask & STATX_BTIME) != 0;
  out[16] = has_birth ? (double)st.stx_btime.tv_sec : 0;
  out[17] = has_birth ? st.stx_btime.tv_nsec : 0;
  return ret(env, 0);
}

/* type bsize blocks bfree bavail files ffree namelen frsize flags */
#define STATFS_LEN 10

static napi_value js_fstatfs(napi_env env, napi_callback_info info) {
  ARGS(2);
  ARG_I32(fd, 0);
  ARG_F64S(out, 1);
  if (out_len < STATFS_LEN) return bad_range(env);
  struct statfs st;
  int64_t result = RETRY(fstatfs(fd, &st));
  if (result < 0) return ret(env, result);
  out[0] = (double)st.f_type;
  out[1] = (double)st.f_bsize;
  out[2] = (double)st.f_blocks;
  out[3] = (double)st.f_bfree;
  out[4] = (double)st.f_bavail;
  out[5] = (double)st.f_files;
  out[6] = (double)st.f_ffree;
  out[7] = (double)st.f_namelen;
  out[8] = (double)st.f_frsize;
  out[9] = (double)st.f_flags;
  return ret(env, 0);
}

static napi_value js_fchmod(napi_env env, napi_callback_info info) {
  ARGS(2);
  ARG_I32(fd, 0);
  ARG_U32(mode, 1);
  return ret(env, RETRY(fchmod(fd, (mode_t)mode)));
}

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

/* With flags: fchmodat2(2), Linux 6.6; -EOPNOTSUPP where it is missing. */
static napi_value js_fchmodat(napi_env env, napi_callback_info info) {
  ARGS(4);
  ARG_I32(dirfd, 0);
  ARG_PATH(path, 1);
  ARG_U32(mode, 2);
  int32_t flags = 0;
  napi_get_value_int32(env, argv[3], &flags); /* optional */
  if (flags == 0) return ret(env, RETRY(fchmodat(dirfd, path, (mode_t)mode, 0)));
  int64_t result = RETRY(syscall(SYS_fchmodat2, dirfd, path, mode, flags));
  return ret(env, result == -ENOSYS ? -EOPNOTSUPP : result);
}

/* uid or gid 2^32-1 (or -1): leave it. */
static napi_value js_fchownat(napi_env env, napi_callback_info info) {
  ARGS(5);
  ARG_I32(dirfd, 0);
  ARG_PATH(path, 1);
  ARG_U32(uid, 2);
  ARG_U32(gid, 3);
  ARG_I32(flags, 4);
  return ret(env, RETRY(fchownat(dirfd, path, uid, gid, flags)));
}

static napi_value js_utimensat(napi_env env, napi_callback_info info) {
  ARGS(7);
  ARG_I32(dirfd, 0);
  ARG_PATH(path, 1);
  ARG_I64(atime, 2);
  ARG_I64(atime_ns, 3);
  ARG_I64(mtime, 4);
  ARG_I64(mtime_ns, 5);
  ARG_I32(flags, 6);
  struct timespec times[2] = {{.tv_sec = atime, .tv_nsec = atime_ns}, {.tv_sec = mtime, .tv_nsec = mtime_ns}};
  return ret(env, RETRY(utimensat(dirfd, path, times, flags)));
}

/* --- names --- */

static napi_value js_readlinkat(napi_env env, napi_callback_info info) {
  ARGS(2);
  ARG_I32(dirfd, 0);
  ARG_PATH(path, 1);
  char target[PATH_LEN];
  int64_t result = RETRY(readlinkat(dirfd, path, target, sizeof(target)));
  return result < 0 ? ret(env, result) : ret_latin1(env, target, (size_t)result);
}

static napi_value js_getdents(napi_env env, napi_callback_info info) {
  ARGS(4);
  ARG_I32(fd, 0);
  ARG_U8S(buf, 1);
  ARG_I64(off, 2);
  ARG_I64(len, 3);
  CHECK_RANGE(off, len, buf_len);
  if (len > INT32_MAX) len = INT32_MAX;
  return ret(env, RETRY(syscall(SYS_getdents64, fd, buf + off, (unsigned)len)));
}

/* inotifyInit(): never blocks its reader. */
static napi_value js_inotify_init(napi_env env, napi_callback_info info) {
  (void)info;
  return ret(env, RESULT(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)));
}

static napi_value js_inotify_add_watch(napi_env env, napi_callback_info info) {
  ARGS(3);
  ARG_I32(fd, 0);
  ARG_PATH(path, 1);
  ARG_U32(mask, 2);
  return ret(env, RESULT(inotify_add_watch(fd, path, mask)));
}

static napi_value js_inotify_rm_watch(napi_env env, napi_callback_info info) {
  ARGS(2);
  ARG_I32(fd, 0);
  ARG_I32(wd, 1);
  return ret(env, RESULT(inotify_rm_watch(fd, wd)));
}

static napi_value js_mkdirat(napi_env env, napi_callback_info info) {
  ARGS(3);
  ARG_I32(dirfd, 0);
  ARG_PATH(path, 1);
  ARG_U32(mode, 2);
  return ret(env, RETRY(mkdirat(dirfd, path, (mode_t)mode)));
}

static napi_value js_mknodat(napi_env env, napi_callback_info info) {
  ARGS(4);
  ARG_I32(dirfd, 0);
  ARG_PATH(path, 1);
  ARG_U32(mode, 2);
  ARG_I64(dev, 3);
  return ret(env, RETRY(mknodat(dirfd, path, (mode_t)mode, (dev_t)dev)));
}

static napi_value js_unlinkat(napi_env env, napi_callback_info info) {
  ARGS(3);
  ARG_I32(dirfd, 0);
  ARG_PATH(path, 1);
  ARG_I32(flags, 2);
  return ret(env, RETRY(unlinkat(dirfd, path, flags)));
}

static napi_value js_symlinkat(napi_env env, napi_callback_info info) {
  ARGS(3);
  ARG_PATH(target, 0);
  ARG_I32(dirfd, 1);
  ARG_PATH(path, 2);
  return ret(env, RETRY(symlinkat(target, dirfd, path)));
}

static napi_value js_linkat(napi_env env, napi_callback_info info) {
  ARGS(5);
  ARG_I32(old_dir, 0);
  ARG_PATH(old_path, 1);
  ARG_I32(new_dir, 2);
  ARG_PATH(new_path, 3);
  ARG_I32(flags, 4);
  return ret(env, RETRY(linkat(old_dir, old_path, new_dir, new_path, flags)));
}

static napi_value js_renameat2(napi_env env, napi_callback_info info) {
  ARGS(5);
  ARG_I32(old_dir, 0);
  ARG_PATH(old_path, 1);
  ARG_I32(new_dir, 2);
  ARG_PATH(new_path, 3);
  ARG_U32(flags, 4);
  return ret(env, RETRY(renameat2(old_dir, old_path, new_dir, new_path, flags)));
}

/* --- extended attributes --- */

static napi_value js_fgetxattr(napi_env env, napi_callback_info info) {
  ARGS(3);
  ARG_I32(fd, 0);
  ARG_PATH(name, 1);
  ARG_U8S(buf, 2);
  return ret(env, RETRY(fgetxattr(fd, name, buf, buf_len)));
}

static napi_value js_fsetxattr(napi_env env, napi_callback_info info) {
  ARGS(5);
  ARG_I32(fd, 0);
  ARG_PATH(name, 1);
  ARG_U8S(buf, 2);
  ARG_I64(len, 3);
  ARG_I32(flags, 4);
  CHECK_RANGE(0, len, buf_len);
  return ret(env, RETRY(fsetxattr(fd, name, buf, (size_t)len, flags)));
}

static napi_value js_flistxattr(napi_env env, napi_callback_info info) {
  ARGS(2);
  ARG_I32(fd, 0);
  ARG_U8S(buf, 1);
  return ret(env, RETRY(flistxattr(fd, (char *)buf, buf_len)));
}

/* Follows the last component: for the magic links of /proc/self/fd. */
static napi_value js_listxattr(napi_env env, napi_callback_info info) {
  ARGS(2);
  ARG_PATH(path, 0);
  ARG_U8S(buf, 1);
  return ret(env, RETRY(listxattr(path, (char *)buf, buf_len)));
}

static napi_value js_fremovexattr(napi_env env, napi_callback_info info) {
  ARGS(2);
  ARG_I32(fd, 0);
  ARG_PATH(name, 1);
  return ret(env, RETRY(fremovexattr(fd, name)));
}

/* --- file descriptors --- */

static napi_value js_flock(napi_env env, napi_callback_info info) {
  ARGS(2);
  ARG_I32(fd, 0);
  ARG_I32(op, 1);
  return ret(env, RETRY(flock(fd, op)));
}

static napi_value js_fcntl_getfl(napi_env env, napi_callback_info info) {
  ARGS(1);
  ARG_I32(fd, 0);
  return ret(env, RESULT(fcntl(fd, F_GETFL)));
}

static napi_value js_fcntl_setfl(napi_env env, napi_callback_info info) {
  ARGS(2);
  ARG_I32(fd, 0);
  ARG_I32(flags, 1);
  return ret(env, RESULT(fcntl(fd, F_SETFL, flags)));
}

static napi_value js_set_cloexec(napi_env env, napi_callback_info info) {
  ARGS(2);
  ARG_I32(fd, 0);
  ARG_BOOL(on, 1);
  return ret(env, RESULT(fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0)));
}

/* The argument's size is the caller's business: `buf` must be as large as the request says. */
static napi_value js_ioctl_buf(napi_env env, napi_callback_info info) {
  ARGS(3);
  ARG_I32(fd, 0);
  ARG_U32(request, 1);
  ARG_U8S(buf, 2);
  (void)buf_len;
  return ret(env, RETRY(ioctl(fd, request, buf)));
}

static napi_value js_ioctl_int(napi_env env, napi_callback_info info) {
  ARGS(3);
  ARG_I32(fd, 0);
  ARG_U32(request, 1);
  ARG_I64(arg, 2);
  return ret(env, RETRY(ioctl(fd, request, (long)arg)));
}

static napi_value js_memfd_create(napi_env env, napi_callback_info info) {
  ARGS(2);
  ARG_PATH(name, 0);
  ARG_U32(flags, 1);
  return ret(env, RESULT(memfd_create(name, flags | MFD_CLOEXEC)));
}

static napi_value js_add_seals(napi_env env, napi_callback_info info) {
  ARGS(2);
  ARG_I32(fd, 0);
  ARG_I32(seals, 1);
  return ret(env, RESULT(fcntl(fd, F_ADD_SEALS, seals)));
}

void files_register(napi_env env, napi_value exports) {
  static const struct method methods[] = {
      {"openat", js_openat},         {"close", js_close},           {"dup", js_dup},
      {"read", js_read},             {"write", js_write},           {"pread", js_pread},
      {"pwrite", js_pwrite},         {"readv", js_readv},           {"writev", js_writev},
      {"lseek", js_lseek},           {"ftruncate", js_ftruncate},   {"fallocate", js_fallocate},
      {"fsync", js_fsync},           {"fdatasync", js_fdatasync},   {"syncfs", js_syncfs},
      {"fstatat", js_fstatat},       {"fstatfs", js_fstatfs},       {"fchmod", js_fchmod},
      {"fchmodat", js_fchmodat},     {"fchownat", js_fchownat},     {"utimensat", js_utimensat},
      {"readlinkat", js_readlinkat}, {"getdents", js_getdents},     {"mkdirat", js_mkdirat},
      {"mknodat", js_mknodat},       {"unlinkat", js_unlinkat},     {"symlinkat", js_symlinkat},
      {"linkat", js_linkat},         {"renameat2", js_renameat2},   {"fgetxattr", js_fgetxattr},
      {"fsetxattr", js_fsetxattr},   {"flistxattr", js_flistxattr}, {"listxattr", js_listxattr},
      {"fremovexattr", js_fremovexattr},
      {"inotifyInit", js_inotify_init}, {"inotifyAddWatch", js_inotify_add_watch},
      {"inotifyRmWatch", js_inotify_rm_watch},
      {"flock", js_flock},           {"fcntlGetfl", js_fcntl_getfl}, {"fcntlSetfl", js_fcntl_setfl},
      {"setCloexec", js_set_cloexec}, {"ioctlBuf", js_ioctl_buf},   {"ioctlInt", js_ioctl_int},
      {"memfdCreate", js_memfd_create}, {"addSeals", js_add_seals},
  };
  DEFINE_METHODS(env, exports, methods);
}

/*
 * Attributes as 9P carries them (attr[108], src/p9/wire/records.ts), written where the reply is made: of the entries of a directory,
 * of one file, and of what has a new name.
 */
#include "addon.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Two kinds of little-endian fields, one behind the other. */
static uint8_t *put32(uint8_t *to, uint32_t value) {
  memcpy(to, &value, 4);
  return to + 4;
}

static uint8_t *put64(uint8_t *to, int64_t value) {
  memcpy(to, &value, 8);
  return to + 8;
}

/* As JavaScript sees a 64-bit number: with 53 bits. */
static int64_t rounded(uint64_t value) { return (int64_t)(double)value; }

#define ATTR_LEN 108
#define ATTR_MASK (STATX_BASIC_STATS | STATX_BTIME)

static void put_attr(uint8_t *to, const struct statx *st) {
  bool has_birth = (st->stx_mask & STATX_BTIME) != 0;
  to = put32(to, st->stx_mode);
  to = put32(to, st->stx_uid);
  to = put32(to, st->stx_gid);
  to = put32(to, st->stx_nlink);
  to = put32(to, st->stx_blksize);
  to = put32(to, st->stx_atime.tv_nsec);
  to = put32(to, st->stx_mtime.tv_nsec);
  to = put32(to, st->stx_ctime.tv_nsec);
  to = put32(to, has_birth ? st->stx_btime.tv_nsec : 0);
  to = put64(to, rounded(makedev(st->stx_dev_major, st->stx_dev_minor)));
  to = put64(to, rounded(st->stx_ino));
  to = put64(to, rounded(makedev(st->stx_rdev_major, st->stx_rdev_minor)));
  to = put64(to, rounded(st->stx_size));
  to = put64(to, rounded(st->stx_blocks));
  to = put64(to, st->stx_atime.tv_sec);
  to = put64(to, st->stx_mtime.tv_sec);
  to = put64(to, st->stx_ctime.tv_sec);
  put64(to, has_birth ? st->stx_btime.tv_sec : 0);
}

/*
 * Attributes of an entry of the directory `fd`, whose record in it is `dent`. On the device `bare_dev` >= 0 only directories are
 * looked at: of other entries there is what the directory tells. False: the name is gone.
 */
static bool entry_attr(uint8_t *to, int fd, const uint8_t *dent, int64_t bare_dev) {
  struct statx st;
  uint8_t type = dent[18];
  if (bare_dev < 0 || type == DT_DIR || type == DT_UNKNOWN) {
    const char *name = (const char *)dent + 19;
    if (statx(fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, ATTR_MASK, &st) != 0) return false;
  } else {
    memset(&st, 0, sizeof(st));
    st.stx_mode = (uint16_t)DTTOIF(type);
    memcpy(&st.stx_ino, dent, 8);
    st.stx_dev_major = major((dev_t)bare_dev);
    st.stx_dev_minor = minor((dev_t)bare_dev);
  }
  put_attr(to, &st);
  return true;
}

/*
 * readdirAttrs(fd, buf, off, len, result, bareDev): the next entries of a directory, each with its attributes (attr[108] name[s]),
 * "." and ".." left out. Bytes written, or -errno. result[0]: whether there was no
 * room for the rest, before which the directory then stands; result[1]: how many entries were passed.
 */
static napi_value js_readdir_attrs(napi_env env, napi_callback_info info) {
  ARGS(6);
  ARG_I32(fd, 0);
  ARG_U8S(buf, 1);
  ARG_I64(off, 2);
  ARG_I64(len, 3);
  ARG_I32S(result, 4);
  ARG_I64(bare_dev, 5);
  CHECK_RANGE(off, len, buf_len);
  if (result_len < 2) return bad_range(env);
  static _Alignas(8) uint8_t dents[32768];
  uint8_t *out = buf + off, *end = out + len;
  result[0] = result[1] = 0;
  int64_t next = lseek(fd, 0, SEEK_CUR);
  for (;;) {
    int64_t n = RETRY(syscall(SYS_getdents64, fd, dents, sizeof(dents)));
    if (n < 0) return ret(env, n);
    if (n == 0) return ret(env, out - (buf + off));
    uint16_t step;
    for (int64_t at = 0; at < n; at += step) {
      memcpy(&step, dents + at + 16, 2);
      const char *name = (const char *)dents + at + 19;
      size_t length = strlen(name);
      if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0) {
        if ((size_t)(end - out) < ATTR_LEN + 2 + length) {
          result[0] = 1;
          if (lseek(fd, next, SEEK_SET) < 0) return ret(env, -errno);
          return ret(env, out - (buf + off));
        }
        /* A name that is gone by now is left out, as if it had been removed before. */
        if (entry_attr(out, fd, dents + at, bare_dev)) {
          out[ATTR_LEN] = (uint8_t)length;
          out[ATTR_LEN + 1] = (uint8_t)(length >> 8);
          memcpy(out + ATTR_LEN + 2, name, length);
          out += ATTR_LEN + 2 + length;
        }
      }
      memcpy(&next, dents + at + 8, 8);
      result[1]++;
    }
  }
}

/* attrAt(dirfd, path, flags, buf, off): writes a file's attributes. 0 or -errno. */
static napi_value js_attr_at(napi_env env, napi_callback_info info) {
  ARGS(5);
  ARG_I32(dirfd, 0);
  ARG_PATH(path, 1);
  ARG_I32(flags, 2);
  ARG_U8S(buf, 3);
  ARG_I64(off, 4);
  CHECK_RANGE(off, ATTR_LEN, buf_len);
  struct statx st;
  int64_t result = RETRY(statx(dirfd, path, flags, ATTR_MASK, &st));
  if (result == 0) put_attr(buf + off, &st);
  return ret(env, result);
}

/*
 * renameAttr(oldDir, oldPath, newDir, newPath, flags, mark, buf, off): renameat2, then writes the attributes of what has the new name
 * (zeros: nothing has). In between a byte is read from descriptor `mark` >= 0, of which an inotify watch tells. 0 or -errno.
 */
static napi_value js_rename_attr(napi_env env, napi_callback_info info) {
  ARGS(8);
  ARG_I32(old_dir, 0);
  ARG_PATH(old_path, 1);
  ARG_I32(new_dir, 2);
  ARG_PATH(new_path, 3);
  ARG_U32(flags, 4);
  ARG_I32(mark, 5);
  ARG_U8S(buf, 6);
  ARG_I64(off, 7);
  CHECK_RANGE(off, ATTR_LEN, buf_len);
  int64_t result = RETRY(renameat2(old_dir, old_path, new_dir, new_path, flags));
  if (result < 0) return ret(env, result);
  char byte;
  if (mark >= 0) (void)RETRY(pread(mark, &byte, 1, 0));
  struct statx st;
  if (RETRY(statx(new_dir, new_path, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, ATTR_MASK, &st)) < 0) memset(&st, 0, sizeof(st));
  put_attr(buf + off, &st);
  return ret(env, 0);
}

void attr_register(napi_env env, napi_value exports);

void attr_register(napi_env env, napi_value exports) {
  static const struct method methods[] = {
      {"readdirAttrs", js_readdir_attrs},
      {"attrAt", js_attr_at},
      {"renameAttr", js_rename_attr},
  };
  DEFINE_METHODS(env, exports, methods);
}

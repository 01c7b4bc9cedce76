/*
 * What every file of the addon shares: decoding arguments, giving back results, registering functions.
 *
 * The addon is mechanism only: each function is one host call (or one inseparable sequence of them) with no policy.
 * Conventions, the same as in src/host/host.ts:
 *   - a result is a number >= 0, or a negative errno;
 *   - EINTR is retried here unless the function's comment says otherwise;
 *   - strings are latin1, one char per byte; a char above 0xff or a NUL is refused (-EILSEQ, -EINVAL);
 *   - offsets and sizes are i53 numbers and are decoded as int64_t, never as int32_t: a typed array may lie on a
 *     window of 1 TiB;
 *   - a wrong type, or a range outside its array, is a bug of the caller and throws (TypeError, RangeError).
 *
 * One C file per concern; file NAME.c exports `void NAME_register(napi_env, napi_value exports)`, which is listed in the
 * table of files.inc.
 *
 * A function looks like this:
 *
 *     static napi_value js_flock(napi_env env, napi_callback_info info) {
 *       ARGS(2);
 *       ARG_I32(fd, 0);
 *       ARG_I32(op, 1);
 *       return ret(env, RETRY(flock(fd, op)));
 *     }
 */
#ifndef TSVISOR_ADDON_H
#define TSVISOR_ADDON_H

#define NAPI_VERSION 8

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <node_api.h>

/* --- registering --- */

struct method {
  const char *name;
  napi_callback call;
};

/* Puts `count` functions onto `exports`. */
void define_methods(napi_env env, napi_value exports, const struct method *methods, size_t count);

#define DEFINE_METHODS(env, exports, table) define_methods(env, exports, table, sizeof(table) / sizeof((table)[0]))

/* --- arguments --- */

/* Longest path that a call takes, with its NUL (PATH_MAX). */
#define PATH_LEN 4096

/* Declares argv[0..n-1]; missing arguments are `undefined` and fail their decoding. */
#define ARGS(n)                                                                                                        \
  size_t argc = (n);                                                                                                   \
  napi_value argv[n];                                                                                                  \
  if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok) return NULL

/* Each declares `name`, decoded from argv[i]; on a wrong type the function throws and returns. */
#define ARG_I32(name, i)                                                                                               \
  int32_t name;                                                                                                        \
  if (napi_get_value_int32(env, argv[i], &name) != napi_ok) return bad_argument(env, i, "a number")
/* The low 32 bits: takes 0..2^32-1 and negative int32 alike. */
#define ARG_U32(name, i)                                                                                               \
  uint32_t name;                                                                                                       \
  if (napi_get_value_uint32(env, argv[i], &name) != napi_ok) return bad_argument(env, i, "a number")
#define ARG_I64(name, i)                                                                                               \
  int64_t name;                                                                                                        \
  if (napi_get_value_int64(env, argv[i], &name) != napi_ok) return bad_argument(env, i, "a number")
#define ARG_F64(name, i)                                                                                               \
  double name;                                                                                                         \
  if (napi_get_value_double(env, argv[i], &name) != napi_ok) return bad_argument(env, i, "a number")
#define ARG_BOOL(name, i)                                                                                              \
  bool name;                                                                                                           \
  if (napi_get_value_bool(env, argv[i], &name) != napi_ok) return bad_argument(env, i, "a boolean")

/*
 * A path or name in a buffer on the stack. Too long, a NUL inside or a char above 0xff make the function return
 * -ENAMETOOLONG, -EINVAL or -EILSEQ.
 */
#define ARG_PATH(name, i)                                                                                              \
  char name[PATH_LEN];                                                                                                 \
  do {                                                                                                                 \
    int error_##name = get_latin1(env, argv[i], name, sizeof(name));                                                   \
    if (error_##name == -EFAULT) return bad_argument(env, i, "a string");                                              \
    if (error_##name < 0) return ret(env, error_##name);                                                               \
  } while (0)

/* The memory of a typed array: `name` points to its first element, name##_len counts its elements. */
#define ARG_ARRAY(name, i, ctype, kind)                                                                                \
  ctype *name;                                                                                                         \
  size_t name##_len;                                                                                                   \
  do {                                                                                                                 \
    napi_typedarray_type type_##name;                                                                                  \
    void *data_##name;                                                                                                 \
    if (napi_get_typedarray_info(env, argv[i], &type_##name, &name##_len, &data_##name, NULL, NULL) != napi_ok ||      \
        type_##name != (kind))                                                                                         \
      return bad_argument(env, i, "a typed array of the right kind");                                                  \
    name = data_##name;                                                                                                \
  } while (0)
#define ARG_U8S(name, i) ARG_ARRAY(name, i, uint8_t, napi_uint8_array)
#define ARG_I32S(name, i) ARG_ARRAY(name, i, int32_t, napi_int32_array)
#define ARG_U32S(name, i) ARG_ARRAY(name, i, uint32_t, napi_uint32_array)
#define ARG_F64S(name, i) ARG_ARRAY(name, i, double, napi_float64_array)

/* Whether [off, off+len) lies inside an array of `size` elements. */
static inline bool in_range(int64_t off, int64_t len, size_t size) {
  return off >= 0 && len >= 0 && (uint64_t)off <= size && (uint64_t)len <= size - (uint64_t)off;
}

/* Throws unless it does. */
#define CHECK_RANGE(off, len, size)                                                                                    \
  do {                                                                                                                 \
    if (!in_range(off, len, size)) return bad_range(env);                                                              \
  } while (0)

/* Throws a TypeError "argument i must be WHAT" and gives NULL. */
napi_value bad_argument(napi_env env, int i, const char *what);
/* Throws a RangeError and gives NULL. */
napi_value bad_range(napi_env env);

/*
 * Copies a string into buf as latin1 with a NUL behind. Returns its length (without the NUL), -ENAMETOOLONG, -EINVAL
 * (NUL inside), -EILSEQ (char above 0xff), or -EFAULT when the value is no string.
 */
int get_latin1(napi_env env, napi_value value, char *buf, size_t size);
/* The same into memory from malloc, of any length up to 16 MiB; returns the length or as get_latin1, or -ENOMEM. */
int get_latin1_alloc(napi_env env, napi_value value, char **out);

/* Object members, for calls off the hot path. Each returns false when the member is missing or of a wrong type. */
bool member(napi_env env, napi_value object, const char *name, napi_value *out);
bool member_i32(napi_env env, napi_value object, const char *name, int32_t *out);
bool member_u32(napi_env env, napi_value object, const char *name, uint32_t *out);
bool member_i64(napi_env env, napi_value object, const char *name, int64_t *out);
bool member_f64(napi_env env, napi_value object, const char *name, double *out);
bool member_bool(napi_env env, napi_value object, const char *name, bool *out);
/*
 * Reads an array of numbers into `out` as int32; returns how many, -E2BIG when there are more than `max`, or -EFAULT
 * when it is no array of numbers.
 */
int get_i32_list(napi_env env, napi_value array, int32_t *out, size_t max);
/* A NULL-terminated list of latin1 strings, to be freed with free_strings; NULL on a wrong type or no memory. */
char **get_strings(napi_env env, napi_value array);
void free_strings(char **list);

/* --- results --- */

/* A number: a small integer where possible, else a double (exact below 2^53). */
static inline napi_value ret(napi_env env, int64_t value) {
  napi_value out;
  if (value == (int32_t)value)
    napi_create_int32(env, (int32_t)value, &out);
  else
    napi_create_double(env, (double)value, &out);
  return out;
}

static inline napi_value ret_f64(napi_env env, double value) {
  napi_value out;
  napi_create_double(env, value, &out);
  return out;
}

/* The array [a, b]. */
napi_value ret_pair(napi_env env, int a, int b);
/* A string from bytes. */
napi_value ret_latin1(napi_env env, const char *bytes, size_t len);

/* The value of a libc call that gives -1 and errno: its result, or -errno. */
#define RESULT(call)                                                                                                   \
  ({                                                                                                                   \
    int64_t result_ = (int64_t)(call);                                                                                 \
    result_ == -1 ? -(int64_t)errno : result_;                                                                         \
  })

/* The same, called again while a signal interrupts it. */
#define RETRY(call)                                                                                                    \
  ({                                                                                                                   \
    int64_t result_;                                                                                                   \
    do                                                                                                                 \
      result_ = (int64_t)(call);                                                                                       \
    while (result_ == -1 && errno == EINTR);                                                                           \
    result_ == -1 ? -(int64_t)errno : result_;                                                                         \
  })

/* Forgets every window (mem.c), without unmapping any: their addresses mean nothing in a process made from an image. */
void mem_reset(void);

#endif

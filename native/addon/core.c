/* The addon's entry point, the table of its files, and the helpers that addon.h declares. */
#include "addon.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Weak: a file that is not (yet) compiled in is left out. */
typedef void register_fn(napi_env env, napi_value exports);
#define FILE_ENTRY(name) extern register_fn name##_register __attribute__((weak));
#include "files.inc"
#undef FILE_ENTRY

static register_fn *const registers[] = {
#define FILE_ENTRY(name) name##_register,
#include "files.inc"
#undef FILE_ENTRY
};

NAPI_MODULE_INIT() {
  for (size_t i = 0; i < sizeof(registers) / sizeof(registers[0]); i++)
    if (registers[i] != NULL) registers[i](env, exports);
  return exports;
}

void define_methods(napi_env env, napi_value exports, const struct method *methods, size_t count) {
  for (size_t i = 0; i < count; i++) {
    napi_value function;
    if (napi_create_function(env, methods[i].name, NAPI_AUTO_LENGTH, methods[i].call, NULL, &function) != napi_ok ||
        napi_set_named_property(env, exports, methods[i].name, function) != napi_ok)
      napi_fatal_error("tsvisor", NAPI_AUTO_LENGTH, methods[i].name, NAPI_AUTO_LENGTH);
  }
}

napi_value bad_argument(napi_env env, int i, const char *what) {
  char message[96];
  snprintf(message, sizeof(message), "argument %d must be %s", i + 1, what);
  napi_throw_type_error(env, NULL, message);
  return NULL;
}

napi_value bad_range(napi_env env) {
  napi_throw_range_error(env, NULL, "range outside the array");
  return NULL;
}

/* Narrows `len` UTF-16 units to bytes; see get_latin1 for the errors. */
static int narrow(const char16_t *from, size_t len, char *to) {
  for (size_t i = 0; i < len; i++) {
    if (from[i] > 0xff) return -EILSEQ;
    if (from[i] == 0) return -EINVAL;
    to[i] = (char)from[i];
  }
  to[len] = 0;
  return (int)len;
}

/*
 * Read as UTF-16 and narrowed here, because Node-API's latin1 conversion cuts high bytes off: U+012F would become '/'.
 */
int get_latin1(napi_env env, napi_value value, char *buf, size_t size) {
  char16_t wide[PATH_LEN + 1];
  size_t len;
  if (size > PATH_LEN) size = PATH_LEN;
  /* One unit more than fits, so that a string that is cut is told from one that just fits. */
  if (napi_get_value_string_utf16(env, value, wide, size + 1, &len) != napi_ok) return -EFAULT;
  if (len >= size) return -ENAMETOOLONG;
  return narrow(wide, len, buf);
}

int get_latin1_alloc(napi_env env, napi_value value, char **out) {
  size_t len;
  *out = NULL;
  if (napi_get_value_string_utf16(env, value, NULL, 0, &len) != napi_ok) return -EFAULT;
  if (len > 16 << 20) return -ENAMETOOLONG;
  char16_t *wide = malloc((len + 1) * sizeof(char16_t));
  char *bytes = malloc(len + 1);
  int result = -ENOMEM;
  if (wide != NULL && bytes != NULL) {
    napi_get_value_string_utf16(env, value, wide, len + 1, &len);
    result = narrow(wide, len, bytes);
  }
  free(wide);
  if (result < 0)
    free(bytes);
  else
    *out = bytes;
  return result;
}

bool member(napi_env env, napi_value object, const char *name, napi_value *out) {
  return napi_get_named_property(env, object, name, out) == napi_ok;
}

bool member_i32(napi_env env, napi_value object, const char *name, int32_t *out) {
  napi_value value;
  return member(env, object, name, &value) && napi_get_value_int32(env, value, out) == napi_ok;
}

bool member_u32(napi_env env, napi_value object, const char *name, uint32_t *out) {
  napi_value value;
  return member(env, object, name, &value) && napi_get_value_uint32(env, value, out) == napi_ok;
}

bool member_i64(napi_env env, napi_value object, const char *name, int64_t *out) {
  napi_value value;
  return member(env, object, name, &value) && napi_get_value_int64(env, value, out) == napi_ok;
}

bool member_f64(napi_env env, napi_value object, const char *name, double *out) {
  napi_value value;
  return member(env, object, name, &value) && napi_get_value_double(env, value, out) == napi_ok;
}

bool member_bool(napi_env env, napi_value object, const char *name, bool *out) {
  napi_value value;
  return member(env, object, name, &value) && napi_get_value_bool(env, value, out) == napi_ok;
}

int get_i32_list(napi_env env, napi_value array, int32_t *out, size_t max) {
  uint32_t count;
  if (napi_get_array_length(env, array, &count) != napi_ok) return -EFAULT;
  if (count > max) return -E2BIG;
  for (uint32_t i = 0; i < count; i++) {
    napi_value item;
    if (napi_get_element(env, array, i, &item) != napi_ok || napi_get_value_int32(env, item, &out[i]) != napi_ok)
      return -EFAULT;
  }
  return (int)count;
}

char **get_strings(napi_env env, napi_value array) {
  napi_value item;
  uint32_t count;
  if (napi_get_array_length(env, array, &count) != napi_ok) return NULL;
  char **list = calloc((size_t)count + 1, sizeof(*list));
  if (list == NULL) return NULL;
  for (uint32_t i = 0; i < count; i++) {
    if (napi_get_element(env, array, i, &item) == napi_ok && get_latin1_alloc(env, item, &list[i]) >= 0) continue;
    free_strings(list);
    return NULL;
  }
  return list;
}

void free_strings(char **list) {
  for (char **item = list; item != NULL && *item != NULL; item++) free(*item);
  free(list);
}

napi_value ret_pair(napi_env env, int a, int b) {
  napi_value array;
  napi_create_array_with_length(env, 2, &array);
  napi_set_element(env, array, 0, ret(env, a));
  napi_set_element(env, array, 1, ret(env, b));
  return array;
}

napi_value ret_latin1(napi_env env, const char *bytes, size_t len) {
  napi_value out;
  napi_create_string_latin1(env, bytes, len, &out);
  return out;
}

/* Windows: a file mapped shared as one ArrayBuffer of up to 1 TiB; and memory of other ArrayBuffers. */
#include "addon.h"
#include "v8.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Largest window: 1 TiB. */
#define WINDOW_MAX ((int64_t)1 << 40)

#define PAGE 4096

/* One mapping, in a list of all of this JavaScript thread. */
struct window {
  struct window *next;
  void *base; /* NULL once unmapped */
  size_t len;
  bool has_finalizer; /* which then frees this */
};

static _Thread_local struct window *windows;

void mem_reset(void) { windows = NULL; }

static void window_free(struct window *window) {
  for (struct window **link = &windows; *link != NULL; link = &(*link)->next) {
    if (*link != window) continue;
    *link = window->next;
    break;
  }
  free(window);
}

/*
 * An ArrayBuffer from Node-API counts as memory that a collection could free: each window would make V8 collect the
 * whole heap at once (4 ms and more, "external memory pressure"). V8 does not count memory whose deleter is its own
 * BackingStore::EmptyDeleter, but Node-API has no way to say that. So V8's functions are called (v8.h), in whose ABI a
 * returned unique_ptr is a pointer at an address that the caller gives, a shared_ptr argument is the address of two
 * pointers (object and count; no count: never freed, here some 100 bytes a window), and a Local is a pointer, the same
 * that Node-API gives as napi_value. In a Node without them, Node-API's way is taken.
 */
typedef void deleter_fn(void *data, size_t len, void *arg);
struct shared_ptr {
  void *object;
  void *count;
};

extern deleter_fn v8_empty_deleter V8_FUNCTION("_ZN2v812BackingStore12EmptyDeleterEPvmS1_");
extern void *v8_new_backing_store(void **out, void *data, size_t len, deleter_fn *deleter, void *arg)
    V8_FUNCTION("_ZN2v811ArrayBuffer15NewBackingStoreEPvmPFvS1_mS1_ES1_");
extern napi_value v8_new_array_buffer(void *isolate, struct shared_ptr *store)
    V8_FUNCTION("_ZN2v811ArrayBuffer3NewEPNS_7IsolateESt10shared_ptrINS_12BackingStoreEE");

/* An ArrayBuffer on memory that stays the caller's; NULL when this way does not exist. */
static napi_value uncounted_buffer(void *base, size_t len) {
  if (v8_empty_deleter == NULL || v8_current_isolate == NULL || v8_new_backing_store == NULL ||
      v8_new_array_buffer == NULL)
    return NULL;
  struct shared_ptr store = {NULL, NULL};
  v8_new_backing_store(&store.object, base, len, v8_empty_deleter, NULL);
  if (store.object == NULL) return NULL;
  return v8_new_array_buffer(v8_current_isolate(), &store);
}

static void window_finalize(napi_env env, void *data, void *hint) {
  (void)env;
  (void)data;
  struct window *window = hint;
  if (window->base != NULL) munmap(window->base, window->len);
  window_free(window);
}

static napi_value js_map_window(napi_env env, napi_callback_info info) {
  ARGS(2);
  ARG_I32(fd, 0);
  ARG_I64(len, 1);
  if (len <= 0 || len > WINDOW_MAX) return ret(env, -EINVAL);
  struct window *window = malloc(sizeof(*window));
  if (window == NULL) return ret(env, -ENOMEM);
  window->len = (size_t)len;
  window->base = mmap(NULL, window->len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
  if (window->base == MAP_FAILED) {
    int error = errno;
    free(window);
    return ret(env, -error);
  }
  window->next = windows;
  windows = window;
  napi_value buffer = uncounted_buffer(window->base, window->len);
  window->has_finalizer = buffer == NULL;
  if (buffer != NULL) return buffer;
  if (napi_create_external_arraybuffer(env, window->base, window->len, window_finalize, window, &buffer) == napi_ok)
    return buffer;
  /* Whether the finalizer will run is not said, so the few bytes of `window` stay. */
  munmap(window->base, window->len);
  window->base = NULL;
  return NULL;
}

/* Detaches the buffer, so that no view reaches the memory any more, and unmaps it. -EINVAL: no (longer a) window. */
static napi_value js_unmap_window(napi_env env, napi_callback_info info) {
  ARGS(1);
  void *data;
  size_t len;
  if (napi_get_arraybuffer_info(env, argv[0], &data, &len) != napi_ok) return bad_argument(env, 0, "an ArrayBuffer");
  for (struct window *window = windows; window != NULL; window = window->next) {
    if (data == NULL || window->base != data) continue;
    size_t mapped = window->len;
    window->base = NULL; /* before the detach, which may run the finalizer */
    bool is_own = !window->has_finalizer;
    if (napi_detach_arraybuffer(env, argv[0]) != napi_ok) return NULL;
    if (is_own) window_free(window);
    return ret(env, RESULT(munmap(data, mapped)));
  }
  return ret(env, -EINVAL);
}

/* adviseHuge(window, offset, length): large pages for part of a window, where the host has them. 0 or -errno. */
static napi_value js_advise_huge(napi_env env, napi_callback_info info) {
  ARGS(3);
  ARG_I64(offset, 1);
  ARG_I64(count, 2);
  void *data;
  size_t len;
  if (napi_get_arraybuffer_info(env, argv[0], &data, &len) != napi_ok) return bad_argument(env, 0, "an ArrayBuffer");
  if (offset < 0 || count <= 0 || (uint64_t)offset > len || (uint64_t)count > len - (uint64_t)offset) return ret(env, -EINVAL);
  return ret(env, RESULT(madvise((char *)data + offset, (size_t)count, MADV_HUGEPAGE)));
}

/*
 * forget(buffer, offset, length): the range reads as zeros, without memory as far as it covers whole pages. Not for windows, whose
 * file keeps what is in it. 0 or -errno.
 */
static napi_value js_forget(napi_env env, napi_callback_info info) {
  ARGS(3);
  ARG_I64(offset, 1);
  ARG_I64(count, 2);
  void *data;
  size_t len;
  if (napi_get_arraybuffer_info(env, argv[0], &data, &len) != napi_ok) return bad_argument(env, 0, "an ArrayBuffer");
  if (offset < 0 || count < 0 || (uint64_t)offset > len || (uint64_t)count > len - (uint64_t)offset) return ret(env, -EINVAL);
  char *start = (char *)data + offset, *end = start + count;
  char *from = (char *)(((uintptr_t)start + PAGE - 1) & ~(uintptr_t)(PAGE - 1));
  char *to = (char *)((uintptr_t)end & ~(uintptr_t)(PAGE - 1));
  if (from >= to) {
    memset(start, 0, (size_t)count);
    return ret(env, 0);
  }
  memset(start, 0, (size_t)(from - start));
  memset(to, 0, (size_t)(end - to));
  /* Not MADV_DONTNEED: in a process made from an image this may be memory of malloc's that would be read from the image again. */
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
  return ret(env, mmap(from, (size_t)(to - from), PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED ? -errno : 0);
}

/*
 * copyBytes(dst, dstOff, src, srcOff, len): memmove. What does not fit into the processor's nearer caches goes about a sixth faster by its own
 * instruction than by libc's loads and stores, since lines that will be overwritten whole are not read first.
 */
static napi_value js_copy_bytes(napi_env env, napi_callback_info info) {
  ARGS(5);
  ARG_U8S(dst, 0);
  ARG_I64(dst_off, 1);
  ARG_U8S(src, 2);
  ARG_I64(src_off, 3);
  ARG_I64(len, 4);
  CHECK_RANGE(dst_off, len, dst_len);
  CHECK_RANGE(src_off, len, src_len);
  uint8_t *to = dst + dst_off;
  const uint8_t *from = src + src_off;
  size_t left = (size_t)len;
  if (to < from + left && from < to + left)
    memmove(to, from, left);
  else
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(left) : : "memory");
  return NULL;
}

void mem_register(napi_env env, napi_value exports) {
  static const struct method methods[] = {
      {"mapWindow", js_map_window},
      {"unmapWindow", js_unmap_window},
      {"adviseHuge", js_advise_huge},
      {"forget", js_forget},
      {"copyBytes", js_copy_bytes},
  };
  DEFINE_METHODS(env, exports, methods);
}

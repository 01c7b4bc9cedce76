/* Windows: a file mapped shared as one ArrayBuffer of up to 1 TiB. And what the process can do without. */
#include "addon.h"
#include "rest.h"

#include <link.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* Largest window: 1 TiB. */
#define WINDOW_MAX ((int64_t)1 << 40)

/* One mapping, in a list of all of this JavaScript thread. */
struct window {
  struct window *next;
  void *base; /* NULL once unmapped */
  size_t len;
  bool has_finalizer; /* which then frees this */
};

static _Thread_local struct window *windows;

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
 * BackingStore::EmptyDeleter, but Node-API has no way to say that. So these functions of V8's public C++ interface are
 * called by their names in the Itanium C++ ABI, in which a returned unique_ptr is a pointer at an address that the
 * caller gives, a shared_ptr argument is the address of two pointers (object and count; no count: never freed, here
 * some 100 bytes a window), and a Local is a pointer, the same that Node-API gives as napi_value. They are weak: in a
 * Node without them, Node-API's way is taken.
 */
typedef void deleter_fn(void *data, size_t len, void *arg);
struct shared_ptr {
  void *object;
  void *count;
};

#define V8_FUNCTION(symbol) __asm__(symbol) __attribute__((weak))
extern deleter_fn v8_empty_deleter V8_FUNCTION("_ZN2v812BackingStore12EmptyDeleterEPvmS1_");
extern void *v8_current_isolate(void) V8_FUNCTION("_ZN2v87Isolate10GetCurrentEv");
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

/* Segments that nobody writes are the file's own pages, and can be had again from it. */
static int drop_segments(struct dl_phdr_info *object, size_t size, void *arg) {
  (void)size, (void)arg;
  for (int i = 0; i < object->dlpi_phnum; i++) {
    const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
    if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W) != 0) continue;
    uintptr_t start = (object->dlpi_addr + segment->p_vaddr) & ~(uintptr_t)4095;
    uintptr_t end = (object->dlpi_addr + segment->p_vaddr + segment->p_memsz + 4095) & ~(uintptr_t)4095;
    madvise((void *)start, end - start, MADV_DONTNEED);
  }
  return 0;
}

/* A process in which nothing happened for so long rests: until then it is looked once in that time. */
#define REST_SECONDS 1

static struct {
  int fd; /* a timer, -1: none */
  bool resting;
  uint64_t seen; /* what had happened when the timer was started */
} rest = {.fd = -1};

static void rest_later(uint64_t happened) {
  struct itimerspec when = {.it_value.tv_sec = REST_SECONDS};
  rest.seen = happened;
  timerfd_settime(rest.fd, 0, &when, NULL);
}

int rest_start(void) {
  rest.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  rest.resting = false;
  if (rest.fd < 0) return -errno;
  rest_later(0);
  return rest.fd;
}

void rest_stop(void) {
  if (rest.fd >= 0) close(rest.fd);
  rest.fd = -1;
}

void rest_look(uint64_t happened) {
  uint64_t times;
  if (read(rest.fd, &times, 8) != 8) return;
  rest.resting = happened == rest.seen;
  if (rest.resting)
    dl_iterate_phdr(drop_segments, NULL);
  else
    rest_later(happened);
}

void rest_over(uint64_t happened) {
  if (!rest.resting) return;
  rest.resting = false;
  rest_later(happened);
}

/*
 * trim(): gives back the pages of programs and libraries that a start needed, several times as many as what follows: the
 * host's page cache has them, and the next instructions fetch theirs again. (malloc_trim gives nothing worth the time.)
 */
static napi_value js_trim(napi_env env, napi_callback_info info) {
  (void)env, (void)info;
  dl_iterate_phdr(drop_segments, NULL);
  return NULL;
}

void mem_register(napi_env env, napi_value exports) {
  static const struct method methods[] = {
      {"mapWindow", js_map_window},
      {"unmapWindow", js_unmap_window},
      {"adviseHuge", js_advise_huge},
      {"trim", js_trim},
  };
  DEFINE_METHODS(env, exports, methods);
}

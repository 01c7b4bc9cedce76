/* Windows: a file mapped shared as one ArrayBuffer of up to 1 TiB. */
#include "addon.h"

#include <stdlib.h>
#include <sys/mman.h>

/* Largest window: 1 TiB. */
#define WINDOW_MAX ((int64_t)1 << 40)

/* One mapping, in a list of all; freed by the ArrayBuffer's finalizer, on the JavaScript thread like all else here. */
struct window {
  struct window *next;
  void *base; /* NULL once unmapWindow has unmapped it */
  size_t len;
};

static _Thread_local struct window *windows;

static void window_finalize(napi_env env, void *data, void *hint) {
  (void)env;
  (void)data;
  struct window *window = hint;
  for (struct window **link = &windows; *link != NULL; link = &(*link)->next) {
    if (*link == window) {
      *link = window->next;
      break;
    }
  }
  if (window->base != NULL) munmap(window->base, window->len);
  free(window);
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
  napi_value buffer;
  if (napi_create_external_arraybuffer(env, window->base, window->len, window_finalize, window, &buffer) != napi_ok) {
    /* Whether the finalizer will run is not said, so the few bytes of `window` stay. */
    munmap(window->base, window->len);
    window->base = NULL;
    return NULL;
  }
  return buffer;
}

/* Detaches the buffer, so that no view reaches the memory any more, and unmaps it. -EINVAL: no (longer a) window. */
static napi_value js_unmap_window(napi_env env, napi_callback_info info) {
  ARGS(1);
  void *data;
  size_t len;
  if (napi_get_arraybuffer_info(env, argv[0], &data, &len) != napi_ok) return bad_argument(env, 0, "an ArrayBuffer");
  for (struct window *window = windows; window != NULL; window = window->next) {
    if (data == NULL || window->base != data) continue;
    window->base = NULL; /* before the detach: it may run the finalizer */
    if (napi_detach_arraybuffer(env, argv[0]) != napi_ok) return NULL;
    return ret(env, RESULT(munmap(data, len)));
  }
  return ret(env, -EINVAL);
}

void mem_register(napi_env env, napi_value exports) {
  static const struct method methods[] = {
      {"mapWindow", js_map_window},
      {"unmapWindow", js_unmap_window},
  };
  DEFINE_METHODS(env, exports, methods);
}

/* See rest.h. */
#include "rest.h"
#include "addon.h"
#include "freeze.h"
#include "garbage.h"

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* It is looked once in that time whether much happened. */
#define REST_SECONDS 1
/* With less in that time a process is not so busy that a pause mattered. */
#define FEW_EVENTS 200
/*
 * After so many it is worth a pause to collect even where nothing has grown: what was alive at the last collection may be dead.
 * They took longer than the pause.
 */
#define MANY_EVENTS (1 << 18)

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

/* What can be had again, and what V8's compilers have freed. */
static void give_back(void) {
  dl_iterate_phdr(drop_segments, NULL);
  image_give_back();
  malloc_trim(0);
}

static struct {
  int fd; /* a timer, -1: none */
  bool resting;
  uint64_t seen;      /* what had happened when the timer was started */
  uint64_t collected; /* and when what had been alive was last collected for that reason */
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
  bool few = happened - rest.seen < FEW_EVENTS;
  if (few && happened - rest.collected > MANY_EVENTS) {
    garbage_soon();
    rest.collected = happened;
  }
  bool more = garbage_look(rest.resting ? RESTING : few ? QUIET : BUSY);
  if (rest.resting) give_back();
  if (!rest.resting || more) rest_later(happened);
}

void rest_over(uint64_t happened) {
  if (!rest.resting) return;
  rest.resting = false;
  rest_later(happened);
}

/*
 * trim(): gives back what a process does not need that rests: garbage, and the pages of programs and libraries that its start
 * needed, several times as many as what follows: the host's page cache has them, and the next instructions fetch theirs again.
 */
static napi_value js_trim(napi_env env, napi_callback_info info) {
  (void)env, (void)info;
  garbage_look(RESTING);
  dl_iterate_phdr(drop_segments, NULL);
  return NULL;
}

/* collectSoon() */
static napi_value js_collect_soon(napi_env env, napi_callback_info info) {
  (void)env, (void)info;
  garbage_soon();
  return NULL;
}

void rest_register(napi_env env, napi_value exports);

void rest_register(napi_env env, napi_value exports) {
  static const struct method methods[] = {
      {"trim", js_trim},
      {"collectSoon", js_collect_soon},
  };
  DEFINE_METHODS(env, exports, methods);
}

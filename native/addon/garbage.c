/* See garbage.h. */
#include "garbage.h"
#include "freeze.h"
#include "v8.h"

#include <malloc.h>
#include <stdint.h>

/*
 * Garbage and free pages that are worth a pause of some 50 ms when nothing else is to be done: so much more than there was after the
 * last such pause.
 */
#define REST_GROWTH ((size_t)8 << 20)
/*
 * So often at most, one look after the other, as long as much stays free in pages: one collection frees what it found dead, and the
 * next one knows by that which pages are worth emptying into others. Once more too when the first one left much: it may only have ended
 * one that was begun while the process was busy, which keeps what has died since.
 */
#define REST_COLLECTIONS 4
/*
 * And, besides as much as is alive, those at which a busy process begins to mark. V8 by itself would let the heap grow to four times
 * of what was alive in it, however long that takes.
 */
#define BUSY_GROWTH ((size_t)64 << 20)

/* v8::MemoryPressureLevel. Moderate: marking begins, in steps. Critical: everything is collected at once. */
enum { PRESSURE_NONE, PRESSURE_MODERATE, PRESSURE_CRITICAL };
/* v8::GCType */
#define MARK_SWEEP_COMPACT 4

/* v8::HeapStatistics: of its fields, all of them words, these (rest.test.ts sees them at work). */
#define STATISTICS_WORDS 64
enum { TOTAL_HEAP_SIZE = 0, USED_HEAP_SIZE = 4, EXTERNAL_MEMORY = 7 };
/* v8::HeapSpaceStatistics: the same; the space after that of constants is the young generation. */
enum { SPACE_SIZE = 1, SPACE_USED_SIZE = 2 };
#define YOUNG_SPACE 1

extern void v8_heap_statistics(void *isolate, size_t *statistics)
    V8_FUNCTION("_ZN2v87Isolate17GetHeapStatisticsEPNS_14HeapStatisticsE");
extern bool v8_space_statistics(void *isolate, size_t *statistics, size_t space)
    V8_FUNCTION("_ZN2v87Isolate22GetHeapSpaceStatisticsEPNS_19HeapSpaceStatisticsEm");
extern void v8_memory_pressure(void *isolate, int level)
    V8_FUNCTION("_ZN2v87Isolate26MemoryPressureNotificationENS_19MemoryPressureLevelE");
typedef void gc_callback(void *isolate, int type, int flags, void *data);
extern void v8_after_collection(void *isolate, gc_callback *callback, void *data, int types)
    V8_FUNCTION("_ZN2v87Isolate21AddGCEpilogueCallbackEPFvPS0_NS_6GCTypeENS_15GCCallbackFlagsEPvES4_S2_");

/* Bytes in V8's pages of old objects, and outside of V8's pages. */
struct amount {
  size_t heap, buffers;
};

static struct {
  void *isolate; /* NULL: not yet looked at */
  /*
   * What was alive after the last two collections. One that went on beside the program keeps what died meanwhile, the next one does
   * not: the lesser of two is what counts.
   */
  struct amount alive, alive_before;
  /*
   * What there was after the last collection that was made while little (or nothing) was done, garbage and free pages included; and
   * after the last one while nothing was done, with young objects. When little is done much may be needed that is not any more once
   * nothing is, and new objects will soon fill the pages of young ones again.
   */
  struct amount quiet, rested;
  bool trim; /* malloc may have gaps from a collection */
  bool soon; /* much died of what was alive */
  int more;  /* collections at rest that may follow the last one */
} heap;

/* What V8 has, with (TOTAL_HEAP_SIZE) or without (USED_HEAP_SIZE) free pages. */
static struct amount measure(int field, bool with_young) {
  size_t all[STATISTICS_WORDS] = {0}, young[STATISTICS_WORDS] = {0};
  v8_heap_statistics(heap.isolate, all);
  if (!with_young) v8_space_statistics(heap.isolate, young, YOUNG_SPACE);
  return (struct amount){
      .heap = all[field] - young[field == TOTAL_HEAP_SIZE ? SPACE_SIZE : SPACE_USED_SIZE],
      .buffers = all[EXTERNAL_MEMORY],
  };
}

static size_t growth(size_t before, size_t now) {
  return now > before ? now - before : 0;
}

static size_t least(size_t a, size_t b) {
  return a < b ? a : b;
}

/* V8 has collected, because we wanted it or by itself. */
static void on_collection(void *isolate, int type, int flags, void *data) {
  (void)isolate, (void)type, (void)flags, (void)data;
  heap.alive_before = heap.alive;
  heap.alive = measure(USED_HEAP_SIZE, false);
  heap.trim = true;
}

/* Whether there is something to be compared with. */
static bool watching(void) {
  if (heap.isolate != NULL) return true;
  if (v8_current_isolate == NULL || v8_heap_statistics == NULL || v8_space_statistics == NULL || v8_memory_pressure == NULL ||
      v8_after_collection == NULL)
    return false;
  heap.isolate = v8_current_isolate();
  v8_after_collection(heap.isolate, on_collection, NULL, MARK_SWEEP_COMPACT);
  heap.alive = heap.alive_before = heap.quiet = heap.rested = measure(USED_HEAP_SIZE, false);
  return false;
}

static void collect(int level) {
  v8_memory_pressure(heap.isolate, level);
  v8_memory_pressure(heap.isolate, PRESSURE_NONE);
}

/* Whether it is to be done once more. `before`: what `now` is compared with. */
static bool look_idle(struct amount now, struct amount *before) {
  if (now.buffers < before->buffers) before->buffers = now.buffers;
  bool first = heap.soon || growth(before->heap, now.heap) + growth(before->buffers, now.buffers) > REST_GROWTH;
  if (first)
    heap.more = REST_COLLECTIONS;
  else if (heap.more == 0)
    return false;
  size_t needed = before->heap;
  collect(PRESSURE_CRITICAL);
  *before = measure(TOTAL_HEAP_SIZE, before == &heap.rested);
  heap.quiet = measure(TOTAL_HEAP_SIZE, false);
  size_t used = measure(USED_HEAP_SIZE, false).heap;
  bool again = growth(used, heap.quiet.heap) > REST_GROWTH || (first && growth(needed, used) > REST_GROWTH);
  heap.more = again ? heap.more - 1 : 0;
  return heap.more > 0;
}

static void look_busy(struct amount now) {
  size_t base = least(heap.alive.heap, heap.alive_before.heap);
  size_t buffers = least(heap.alive.buffers, heap.alive_before.buffers);
  if (heap.soon || growth(base, now.heap) + growth(buffers, now.buffers) > BUSY_GROWTH + base) collect(PRESSURE_MODERATE);
}

void garbage_soon(void) {
  heap.soon = true;
}

bool garbage_look(enum activity activity) {
  /* A collection under pressure throws optimized code away, which is what a training run is for. */
  if (is_training() || !watching()) return false;
  struct amount now = measure(TOTAL_HEAP_SIZE, activity == RESTING);
  bool more = false;
  if (activity == BUSY)
    look_busy(now);
  else
    more = look_idle(now, activity == RESTING ? &heap.rested : &heap.quiet);
  heap.soon = false;
  if (heap.trim) malloc_trim(0);
  heap.trim = false;
  return more;
}

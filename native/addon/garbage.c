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
 * So often at most, one look after the other, as long as much stays free in pages. One collection frees what it found dead; the next
 * one knows by that which pages are worth emptying into others; and the first may only have ended one that was begun while the process
 * was busy, which keeps what has died since.
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
  struct amount rested; /* what there was after the last collection at rest, garbage and free pages included */
  bool trim;            /* malloc may have gaps from a collection */
  bool soon;            /* much died of what was alive */
  int more;             /* collections at rest that may follow the last one */
} heap;

/* What V8 has, with (TOTAL_HEAP_SIZE) or without (USED_HEAP_SIZE) free pages. */
static struct amount measure(int field) {
  size_t all[STATISTICS_WORDS] = {0}, young[STATISTICS_WORDS] = {0};
  v8_heap_statistics(heap.isolate, all);
  v8_space_statistics(heap.isolate, young, YOUNG_SPACE);
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
  heap.alive = measure(USED_HEAP_SIZE);
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
  heap.alive = heap.alive_before = heap.rested = measure(USED_HEAP_SIZE);
  return false;
}

static void collect(int level) {
  v8_memory_pressure(heap.isolate, level);
  v8_memory_pressure(heap.isolate, PRESSURE_NONE);
}

/* Whether it is to be done once more. */
static bool look_resting(struct amount now) {
  struct amount *rested = &heap.rested;
  if (now.buffers < rested->buffers) rested->buffers = now.buffers;
  if (heap.soon || growth(rested->heap, now.heap) + growth(rested->buffers, now.buffers) > REST_GROWTH)
    heap.more = REST_COLLECTIONS;
  else if (heap.more == 0)
    return false;
  collect(PRESSURE_CRITICAL);
  *rested = measure(TOTAL_HEAP_SIZE);
  if (growth(measure(USED_HEAP_SIZE).heap, rested->heap) > REST_GROWTH)
    heap.more--;
  else
    heap.more = 0;
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

bool garbage_look(bool resting) {
  /* A collection under pressure throws optimized code away, which is what a training run is for. */
  if (is_training() || !watching()) return false;
  struct amount now = measure(TOTAL_HEAP_SIZE);
  bool more = false;
  if (resting)
    more = look_resting(now);
  else
    look_busy(now);
  heap.soon = false;
  if (heap.trim) malloc_trim(0);
  heap.trim = false;
  return more;
}

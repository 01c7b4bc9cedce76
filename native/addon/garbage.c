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
 * next one knows by that which pages are worth emptying into others. Twice at least: the first may only end one that was begun while the
 * process was busy, which keeps what has died since.
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
  /* What there was after the last collection made while little (or nothing) was done, garbage and free pages included. */
  struct amount quiet;
  /*
   * The same, with young objects, for those made while nothing was done, and what that was when the last one had its cause: a program
   * that computes does nothing either, and much may be its own. The lesser counts, so that it is collected once more when it has ended.
   */
  struct amount rested, rested_before;
  bool trim;               /* malloc may have gaps from a collection */
  bool soon, soon_at_rest; /* much died of what was alive: to be collected in steps, and at once when little is done */
  int more;                /* collections at rest that may follow the last one */
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

static struct amount lesser(struct amount a, struct amount b) {
  return (struct amount){.heap = least(a.heap, b.heap), .buffers = least(a.buffers, b.buffers)};
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
  heap.alive = heap.alive_before = heap.quiet = heap.rested = heap.rested_before = measure(USED_HEAP_SIZE, false);
  return false;
}

static void collect(int level) {
  v8_memory_pressure(heap.isolate, level);
  v8_memory_pressure(heap.isolate, PRESSURE_NONE);
}

/* By how much there is more than after the collections that count, or than there was since. */
static size_t growth_at_rest(bool resting) {
  struct amount old = measure(TOTAL_HEAP_SIZE, false), all = measure(TOTAL_HEAP_SIZE, true);
  heap.quiet = lesser(heap.quiet, old);
  heap.rested = lesser(heap.rested, all);
  struct amount base = resting ? lesser(heap.rested, heap.rested_before) : heap.quiet;
  struct amount now = resting ? all : old;
  return growth(base.heap, now.heap) + growth(base.buffers, now.buffers);
}

/* Whether it is to be done once more. */
static bool look_idle(bool resting) {
  bool first = heap.soon_at_rest || (growth_at_rest(resting) > REST_GROWTH && heap.more == 0);
  if (first)
    heap.more = REST_COLLECTIONS;
  else if (heap.more == 0)
    return false;
  heap.soon_at_rest = false;
  collect(PRESSURE_CRITICAL);
  heap.quiet = measure(TOTAL_HEAP_SIZE, false);
  if (resting) {
    if (first) heap.rested_before = heap.rested;
    heap.rested = measure(TOTAL_HEAP_SIZE, true);
  }
  bool again = first || growth(measure(USED_HEAP_SIZE, false).heap, heap.quiet.heap) > REST_GROWTH;
  heap.more = again ? heap.more - 1 : 0;
  return heap.more > 0;
}

static void look_busy(void) {
  struct amount now = measure(TOTAL_HEAP_SIZE, false), base = lesser(heap.alive, heap.alive_before);
  size_t more = growth(base.heap, now.heap) + growth(base.buffers, now.buffers);
  if (heap.soon || more > BUSY_GROWTH + base.heap) collect(PRESSURE_MODERATE);
}

void garbage_soon(void) {
  heap.soon = heap.soon_at_rest = true;
}

bool garbage_look(enum activity activity) {
  /* A collection under pressure throws optimized code away, which is what a training run is for. */
  if (is_training() || !watching()) return false;
  bool more = false;
  if (activity == BUSY)
    look_busy();
  else
    more = look_idle(activity == RESTING);
  heap.soon = false;
  if (heap.trim) malloc_trim(0);
  heap.trim = false;
  return more;
}

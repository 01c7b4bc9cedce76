/* See garbage.h. */
#include "garbage.h"
#include "v8.h"

#include <malloc.h>
#include <stdint.h>

/* Garbage and free pages that are worth a pause of some 50 ms when nothing else is to be done. */
#define REST_GROWTH ((size_t)8 << 20)
/*
 * And, besides as much as is alive, those at which a busy process begins to mark. V8 by itself would let the heap grow to four times
 * of what was alive in it, however long that takes. 64 MiB of it are the young generation of a busy process.
 */
#define BUSY_GROWTH ((size_t)96 << 20)

/* v8::MemoryPressureLevel. Moderate: marking begins, in steps. Critical: everything is collected at once. */
enum { PRESSURE_NONE, PRESSURE_MODERATE, PRESSURE_CRITICAL };
/* v8::GCType */
#define MARK_SWEEP_COMPACT 4

/* v8::HeapStatistics: of its fields, all of them words, these (rest.test.ts sees them at work). */
#define STATISTICS_WORDS 64
enum { TOTAL_HEAP_SIZE = 0, USED_HEAP_SIZE = 4, EXTERNAL_MEMORY = 7 };

extern void v8_heap_statistics(void *isolate, size_t *statistics)
    V8_FUNCTION("_ZN2v87Isolate17GetHeapStatisticsEPNS_14HeapStatisticsE");
extern void v8_memory_pressure(void *isolate, int level)
    V8_FUNCTION("_ZN2v87Isolate26MemoryPressureNotificationENS_19MemoryPressureLevelE");
typedef void gc_callback(void *isolate, int type, int flags, void *data);
extern void v8_after_collection(void *isolate, gc_callback *callback, void *data, int types)
    V8_FUNCTION("_ZN2v87Isolate21AddGCEpilogueCallbackEPFvPS0_NS_6GCTypeENS_15GCCallbackFlagsEPvES4_S2_");

static struct {
  void *isolate;  /* NULL: not yet looked at */
  size_t alive;   /* bytes in V8's pages after the last collection, */
  size_t buffers; /* and outside of them */
  bool trim;      /* malloc may have gaps from it */
} heap;

/* V8 has collected, because we wanted it or by itself. */
static void on_collection(void *isolate, int type, int flags, void *data) {
  (void)type, (void)flags, (void)data;
  size_t statistics[STATISTICS_WORDS] = {0};
  v8_heap_statistics(isolate, statistics);
  heap.alive = statistics[USED_HEAP_SIZE];
  heap.buffers = statistics[EXTERNAL_MEMORY];
  heap.trim = true;
}

/* Whether there is something to be compared with. */
static bool watching(void) {
  if (heap.isolate != NULL) return true;
  if (v8_current_isolate == NULL || v8_heap_statistics == NULL || v8_memory_pressure == NULL || v8_after_collection == NULL)
    return false;
  heap.isolate = v8_current_isolate();
  v8_after_collection(heap.isolate, on_collection, NULL, MARK_SWEEP_COMPACT);
  on_collection(heap.isolate, MARK_SWEEP_COMPACT, 0, NULL);
  return false;
}

/* What is free or may be garbage. */
static size_t growth(void) {
  size_t statistics[STATISTICS_WORDS] = {0};
  v8_heap_statistics(heap.isolate, statistics);
  size_t total = statistics[TOTAL_HEAP_SIZE], buffers = statistics[EXTERNAL_MEMORY];
  if (buffers < heap.buffers) heap.buffers = buffers;
  return (total > heap.alive ? total - heap.alive : 0) + buffers - heap.buffers;
}

void garbage_look(bool resting) {
  if (!watching()) return;
  if (growth() > (resting ? REST_GROWTH : BUSY_GROWTH + heap.alive)) {
    v8_memory_pressure(heap.isolate, resting ? PRESSURE_CRITICAL : PRESSURE_MODERATE);
    v8_memory_pressure(heap.isolate, PRESSURE_NONE);
  }
  if (!heap.trim) return;
  heap.trim = false;
  malloc_trim(0);
}

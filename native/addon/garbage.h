/*
 * Collecting garbage where V8 does not. V8 leaves much to tasks of an event loop: a collection of a heap that rests, giving pages
 * that it keeps in a pool back to the host. We have no such loop: what one busy second needed would be kept for ever. So the heap is
 * looked at once a second, and collected when it has grown by much, by less when nothing else is to be done.
 */
#ifndef TSVISOR_GARBAGE_H
#define TSVISOR_GARBAGE_H

#include <stdbool.h>

/* How much is being done: so that a pause mattered, little, nothing at all. */
enum activity { BUSY, QUIET, RESTING };

/*
 * Collects if it is worth it; what is there at the first call counts as needed. True: another look is worth it even if nothing
 * happens until then.
 */
bool garbage_look(enum activity activity);

/* Much is garbage that was alive before: the next look collects. */
void garbage_soon(void);

#endif

/*
 * Functions of V8's public C++ interface, for what Node-API has no way to say: by their names in the Itanium C++ ABI. They are
 * weak: a Node without them has them as NULL, and what needs them is left out.
 */
#ifndef TSVISOR_V8_H
#define TSVISOR_V8_H

#include <stddef.h>

#define V8_FUNCTION(symbol) __asm__(symbol) __attribute__((weak))

extern void *v8_current_isolate(void) V8_FUNCTION("_ZN2v87Isolate10GetCurrentEv");

#endif

/* See workers.h. */
#include "workers.h"
#include "v8.h"

#include <dlfcn.h>
#include <link.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

extern void *v8_current_context(void *isolate) V8_FUNCTION("_ZN2v87Isolate17GetCurrentContextEv");
extern void *node_environment(void *context) V8_FUNCTION("_ZN4node21GetCurrentEnvironmentEN2v85LocalINS0_7ContextEEE");
extern void *node_platform(void *environment) V8_FUNCTION("_ZN4node23GetMultiIsolatePlatformEPNS_11EnvironmentE");
/* The class of what that returns: its table of virtual functions, and the one that V8 asks for the number of threads. */
extern uintptr_t node_platform_class[] V8_FUNCTION("_ZTVN4node12NodePlatformE");
extern int node_platform_workers(void *platform) V8_FUNCTION("_ZN4node12NodePlatform21NumberOfWorkerThreadsEv");

/* Words of a table before its functions: the offset of the object, its type. */
#define HEAD 2

static int no_workers(void *platform) {
  (void)platform;
  return 0;
}

/* The platform's class as it is, but for that function; its own memory, since an image keeps it. NULL: not found. */
static uintptr_t *class_without_workers(void) {
  Dl_info info;
  const ElfW(Sym) *symbol;
  if (dladdr1(node_platform_class, &info, (void **)&symbol, RTLD_DL_SYMENT) == 0 || symbol == NULL) return NULL;
  uintptr_t *class = malloc(symbol->st_size);
  if (class == NULL) return NULL;
  memcpy(class, node_platform_class, symbol->st_size);
  for (size_t i = HEAD; i < symbol->st_size / sizeof(*class); i++) {
    if (class[i] != (uintptr_t)node_platform_workers) continue;
    class[i] = (uintptr_t)no_workers;
    return class;
  }
  free(class);
  return NULL;
}

void workers_gone(void) {
  if (v8_current_isolate == NULL || v8_current_context == NULL || node_environment == NULL || node_platform == NULL ||
      node_platform_class == NULL || node_platform_workers == NULL)
    return;
  uintptr_t *platform = node_platform(node_environment(v8_current_context(v8_current_isolate())));
  if (platform == NULL || *platform != (uintptr_t)(node_platform_class + HEAD)) return;
  uintptr_t *class = class_without_workers();
  if (class != NULL) *platform = (uintptr_t)(class + HEAD);
}

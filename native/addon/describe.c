/* The platform's state in words, for the report that the Sentry makes when it is asked what it is doing. */
#include "platform.h"

#include <stdarg.h>
#include <stdio.h>

#define TEXT_MAX 65536

struct text {
  char *at, *end;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *text, const char *format, ...) {
  va_list list;
  va_start(list, format);
  int n = vsnprintf(text->at, (size_t)(text->end - text->at), format, list);
  va_end(list);
  text->at = n < text->end - text->at ? text->at + n : text->end - 1;
}

static const char *state_name(uint32_t state) {
  static const char *const names[] = {"runs", "stopped", "asleep", "told to exit", "saves its registers"};
  return state < sizeof(names) / sizeof(names[0]) ? names[state] : "nonsense";
}

static void describe_context(struct text *text, int32_t id) {
  static const char *const statuses[] = {"free", "stopped", "running", "idle"};
  const struct context *c = &P.contexts[id];
  const struct space *space = &P.spaces[c->space];
  add(text, "context %d: %s, thread %d of process %d", id, statuses[c->status], c->tid, space->pid);
  if (P.kind == SYSTRAP) add(text, ", says it %s", state_name(__atomic_load_n(&area_of(c)->state, __ATOMIC_RELAXED)));
  for (int32_t i = 0; i < P.pending_count; i++)
    if (P.pending[i] == id) add(text, ", its stop was not told yet");
  if (space->dead) add(text, ", the process is dead");
  if (c->unborn) add(text, ", not started");
  if (c->starting) add(text, ", starting");
  if (c->call) add(text, ", came by a patched call site");
  if (c->interrupted) add(text, ", interrupted while starting");
  if (c->interrupt_ns != 0)
    add(text, ", interrupted %.3f s ago (%d tries before)", (double)(now_ns() - c->interrupt_ns) / 1e9, c->interrupt_tries);
  if (c->spread) add(text, ", on every CPU");
  if (c->own_cpus) add(text, ", on CPUs of its own");
  if (space->batch == id) add(text, ", has a batch of mappings to make");
}

static void describe_platform(struct text *text) {
  int32_t used = 0;
  for (int32_t i = 0; i < P.space_count; i++) used += P.spaces[i].used;
  add(text, "%d contexts running, %d stops not told yet, %d processes with the template, %d kept for later; ", P.running_count,
      P.pending_count, used, P.kept_count);
  if (P.pinned >= 0)
    add(text, "this thread stays on CPU %d of %d", P.pinned, P.cpus);
  else
    add(text, "this thread may use %d CPUs", P.cpus);
  if (P.kind == SYSTRAP)
    add(text, ", %s", placement_crowded(rdtsc()) ? "which others use: no spinning" : "with room to spin");
  for (int32_t i = 0; i < P.space_count; i++) {
    const struct space *space = &P.spaces[i];
    if (!space->used || !(space->released || space->dead)) continue;
    add(text, "\nprocess %d: given back%s%s", space->pid, space->dead ? ", dead" : "",
        space->released && !space->dead ? (P.kind == SYSTRAP ? ", kept or being killed" : ", being killed") : "");
    if (space->spare_tid != 0) add(text, ", its thread %d has not exited", space->spare_tid);
  }
}

/* platformDescribe(id): the context, or the platform as a whole for -1, in words. */
static napi_value js_describe(napi_env env, napi_callback_info info) {
  ARGS(1);
  ARG_I32(id, 0);
  static char buffer[TEXT_MAX];
  struct text text = {buffer, buffer + sizeof(buffer)};
  buffer[0] = 0;
  if (P.up && id >= 0 && id < P.context_count)
    describe_context(&text, id);
  else if (P.up)
    describe_platform(&text);
  return ret_latin1(env, buffer, (size_t)(text.at - buffer));
}

void describe_register(napi_env env, napi_value exports);

void describe_register(napi_env env, napi_value exports) {
  static const struct method methods[] = {{"platformDescribe", js_describe}};
  DEFINE_METHODS(env, exports, methods);
}

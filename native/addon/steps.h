/*
 * The set-up steps of spawn (type SpawnStep in host.ts), decoded to plain memory: steps.c decodes and performs them,
 * spawn.c makes the process that does.
 */
#ifndef TSVISOR_STEPS_H
#define TSVISOR_STEPS_H

#include "addon.h"

#define STEP_STRINGS 4
#define STEP_NUMBERS 10

struct step {
  int op;
  char *strings[STEP_STRINGS];    /* in the order of the op's table row; from malloc */
  int64_t numbers[STEP_NUMBERS];  /* likewise */
  void *memory;                   /* seccomp program, group or CPU list; from malloc */
  size_t memory_len;              /* in elements */
};

struct steps {
  struct step *list;
  size_t count;
};

/*
 * Decodes the JavaScript array. False: a TypeError naming the step has been thrown. steps_free must be called in either
 * case.
 */
bool steps_decode(napi_env env, napi_value array, struct steps *steps);
void steps_free(struct steps *steps);

/*
 * Performs one step: 0 or a negative errno. Runs in a child that shares its parent's memory: raw system calls only, no
 * allocation, no locks, nothing of libc that keeps state.
 */
int step_perform(const struct step *step);

/* A SpawnResult (host.ts): how a process was made, or which step failed. */
napi_value spawn_result(napi_env env, int pid, int pidfd, int error, int step);

#endif

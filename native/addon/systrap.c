/*
 * systrap: guest threads stop in the stub's signal handler (native/stub/handler.c). The signal frame on the handler's stack
 * is in memory shared with us; a hostile guest may change it at any time, so each value is read once and checked.
 */
#include "platform.h"

#include <linux/audit.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* siginfo_t, relative to the ucontext. */
#define INFO_CODE (HOST_UCONTEXT_SIZE + 8)
#define INFO_ADDR (HOST_UCONTEXT_SIZE + 16)
#define INFO_ARCH (HOST_UCONTEXT_SIZE + 28)
#define INFO_END (HOST_UCONTEXT_SIZE + 128)
/* si_code of SIGSYS: seccomp (vsyscalls, and hosts without the other), syscall user dispatch. */
#define SYS_SECCOMP 1
#define SYS_USER_DISPATCH 2
#define TRAP_PAGE_FAULT 14
#define TRAP_PROTECTION 13

/* uc_flags: the FP state is extended, ss is saved and is to be restored. */
#define UC_FLAGS 7
/* What follows an XSAVE image in a signal frame. */
#define FP_MAGIC2 0x46505845

/* eflags bits that user code may change, without interrupt flag and privileges. */
#define EFLAGS_USER 0x250dd5
#define EFLAGS_FIXED 0x202
#define EFLAGS_TRAP 0x100
/* How long a spinning thread may take to save its FP state, ns. */
#define SAVE_LIMIT_NS 2000000000
/* A new thread parks within microseconds; one that never does runs on a host where this platform does not work. */
#define START_LIMIT_NS 10000000000

/* Above: not canonical, and wrfsbase would fault. */
#define BASE_MAX ((uint64_t)1 << 47)

/* Index in gregs of each of the registers from R15 to RDI, in the order of user_regs_struct. */
static const uint8_t greg_of[15] = {7, 6, 5, 4, 10, 11, 3, 2, 1, 0, 13, 14, 12, 9, 8};
#define G_RSP 15
#define G_RIP 16
#define G_EFLAGS 17
#define G_SEGMENTS 18
#define G_ERR 19
#define G_TRAPNO 20
#define G_CR2 22

static uint64_t load64(const uint8_t *at) { return __atomic_load_n((const uint64_t *)at, __ATOMIC_RELAXED); }
/* Leaves the cache line alone when nothing changes. */
static void put_saved(uint64_t *at, uint64_t value) {
  if (__atomic_load_n(at, __ATOMIC_RELAXED) != value) __atomic_store_n(at, value, __ATOMIC_RELAXED);
}
static uint64_t *saved_regs(const struct context *c) { return (uint64_t *)((uint8_t *)area_of(c) + AREA_REGS); }

static uint32_t load32(const uint8_t *at) { return __atomic_load_n((const uint32_t *)at, __ATOMIC_RELAXED); }

/* Finds the frame of a thread that says it stopped: offsets into c. False: it does not lie inside the area. */
static bool find_frame(struct context *c) {
  const struct area *area = area_of(c);
  uint64_t base = area_address(c->area);
  c->call = load32((const uint8_t *)&area->entry) == ENTRY_CALL && P.global->fp_features != 0;
  if (c->call) {
    c->fp = AREA_XSAVE;
    return true;
  }
  uint64_t frame = load64((const uint8_t *)&area->frame) - base;
  if (frame > AREA_SIZE - INFO_END || (frame & 7) != 0) return false;
  const struct host_ucontext *uc = (const struct host_ucontext *)((const uint8_t *)area + frame);
  uint64_t fp = load64((const uint8_t *)&uc->fpstate) - base;
  if (fp > AREA_SIZE || fp + P.fp_size + 4 > AREA_SIZE || (fp & 63) != 0) return false;
  c->frame = (uint32_t)frame;
  c->fp = (uint32_t)fp;
  return true;
}

/* What both ways to stop have in common. */
static void take_bases(int32_t id) {
  struct context *c = &P.contexts[id];
  const struct area *area = area_of(c);
  uint64_t *regs = regs_of(id);
  regs[CS] = USER_CS;
  regs[SS] = USER_SS;
  c->fs_base = regs[FS_BASE] = load64((const uint8_t *)&area->fs_base);
  c->gs_base = load64((const uint8_t *)&area->gs_base);
  /* A guest that does not use gs has ours, and sees 0. */
  regs[GS_BASE] = c->gs_base == area_address(c->area) ? 0 : c->gs_base;
  regs[DS] = regs[ES] = regs[FS] = regs[GS] = 0;
  regs[ORIG_RAX] = UINT64_MAX;
  words_of(id)[CTX_TRAPPED] = 0;
  words_of(id)[CTX_PARTIAL] = 0;
}

/* Registers that a patched call site leaves in memory only: all but the number, the arguments and what take_bases sets. */
static const uint8_t left_behind[] = {R15, R14, R13, R12, RBP, RBX, R11, RCX, RIP, RSP, EFLAGS};

void systrap_complete(int32_t id) {
  struct context *c = &P.contexts[id];
  const uint64_t *saved = saved_regs(c);
  uint64_t *regs = regs_of(id);
  words_of(id)[CTX_PARTIAL] = 0;
  for (size_t i = 0; i < sizeof(left_behind); i++) regs[left_behind[i]] = load64((const uint8_t *)&saved[left_behind[i]]);
  c->call_rip = regs[RIP];
}

/*
 * The same as take() for a thread that came through a patched call site. Of a system call only the number and the arguments
 * are taken now, which lie in the cache line that told of the stop; few calls need more.
 */
static uint32_t take_call(int32_t id) {
  struct context *c = &P.contexts[id];
  const struct area *area = area_of(c);
  uint64_t *regs = regs_of(id);
  take_bases(id);
  /* Not FP_OWN when it stopped again before it went on. */
  c->fp_next = load32((const uint8_t *)&area->fp_restore);
  if (load32((const uint8_t *)&area->signo) != SIGSYS) {
    const uint64_t *saved = saved_regs(c);
    for (int i = 0; i < 15; i++) regs[i] = load64((const uint8_t *)&saved[i]);
    systrap_complete(id);
    c->call_rip = UINT64_MAX;
    return EV_INTERRUPT;
  }
  regs[ORIG_RAX] = regs[RAX] = load32((const uint8_t *)&area->nr);
  regs[RDI] = load64((const uint8_t *)&area->args[0]);
  regs[RSI] = load64((const uint8_t *)&area->args[1]);
  regs[RDX] = load64((const uint8_t *)&area->args[2]);
  regs[R10] = load64((const uint8_t *)&area->args[3]);
  regs[R8] = load64((const uint8_t *)&area->args[4]);
  regs[R9] = load64((const uint8_t *)&area->args[5]);
  words_of(id)[CTX_PARTIAL] = 1;
  c->call_rip = UINT64_MAX;
  return EV_SYSCALL;
}

/* Copies a stopped thread's registers into its slot; gives the event. */
static uint32_t take(int32_t id) {
  struct context *c = &P.contexts[id];
  const struct area *area = area_of(c);
  const uint8_t *uc = (const uint8_t *)area + c->frame;
  const uint64_t *gregs = ((const struct host_ucontext *)uc)->gregs;
  uint64_t *regs = regs_of(id);
  uint32_t *words = words_of(id);
  for (int i = 0; i < 15; i++) regs[i] = load64((const uint8_t *)&gregs[greg_of[i]]);
  regs[RIP] = load64((const uint8_t *)&gregs[G_RIP]);
  regs[RSP] = load64((const uint8_t *)&gregs[G_RSP]);
  regs[EFLAGS] = load64((const uint8_t *)&gregs[G_EFLAGS]);
  take_bases(id);
  uint32_t signo = load32((const uint8_t *)&area->signo);
  int32_t code = (int32_t)load32(uc + INFO_CODE);
  switch (signo) {
  case SIGSYS:
    if (code != SYS_SECCOMP && code != SYS_USER_DISPATCH) return EV_INTERRUPT;
    if (load32(uc + INFO_ARCH) == AUDIT_ARCH_X86_64) {
      regs[ORIG_RAX] = regs[RAX];
      words[CTX_TRAPPED] = P.patching;
      return EV_SYSCALL;
    }
    /* int $0x80: as on a kernel without 32-bit calls. */
    regs[RIP] -= 2;
    words[CTX_SIGNO] = SIGSEGV;
    words[CTX_SICODE] = SI_KERNEL;
    words[CTX_ADDR] = words[CTX_ADDR + 1] = 0;
    words[CTX_TRAPNO] = TRAP_PROTECTION;
    words[CTX_ERR] = 0x80 * 8 + 2;
    return EV_FAULT;
  case SIGSEGV:
  case SIGBUS:
  case SIGFPE:
  case SIGILL:
  case SIGTRAP: {
    if (code <= 0) return EV_INTERRUPT; /* sent by somebody, not by the processor */
    uint32_t trapno = load32((const uint8_t *)&gregs[G_TRAPNO]);
    uint64_t address = trapno == TRAP_PAGE_FAULT ? load64((const uint8_t *)&gregs[G_CR2]) : load64(uc + INFO_ADDR);
    words[CTX_SIGNO] = signo;
    words[CTX_SICODE] = (uint32_t)code;
    words[CTX_ADDR] = (uint32_t)address;
    words[CTX_ADDR + 1] = (uint32_t)(address >> 32);
    words[CTX_TRAPNO] = trapno;
    words[CTX_ERR] = load32((const uint8_t *)&gregs[G_ERR]);
    return EV_FAULT;
  }
  default:
    return EV_INTERRUPT;
  }
}

static void go(int32_t id) {
  struct context *c = &P.contexts[id];
  struct area *area = area_of(c);
  bool spins = __atomic_load_n(&area->state, __ATOMIC_RELAXED) == STATE_STOPPED;
  if (!spins) placement_wake(c);
  int32_t other = spins ? wake_by(c) : -1;
  area->nr = other < 0 ? 0 : (uint32_t)P.contexts[other].area;
  if (__atomic_exchange_n(&area->state, STATE_RUN, __ATOMIC_SEQ_CST) != STATE_STOPPED) wake_thread(id, P.counts[COUNT_LEAVE] != 0);
}

/* Gives the thread other segment bases if need be; the one that gs then has. */
static uint64_t give_bases(int32_t id) {
  struct context *c = &P.contexts[id];
  struct area *area = area_of(c);
  const uint64_t *regs = regs_of(id);
  uint64_t gs = regs[GS_BASE] == 0 && P.patching ? area_address(c->area) : regs[GS_BASE];
  if (gs >= BASE_MAX) gs = c->gs_base;
  if (regs[FS_BASE] != c->fs_base && regs[FS_BASE] < BASE_MAX) area->fs_base = regs[FS_BASE];
  if (gs != c->gs_base) area->gs_base = gs;
  return gs;
}

/*
 * Lets a thread go on that came through a patched call site: behind the call, which the stub does by itself, or with all
 * registers (a signal handler, execve, single-stepping).
 */
static void give_call(int32_t id) {
  struct context *c = &P.contexts[id];
  struct area *area = area_of(c);
  uint64_t *saved = saved_regs(c);
  const uint64_t *regs = regs_of(id);
  bool other_gs = give_bases(id) != area_address(c->area);
  uint32_t *partial = &words_of(id)[CTX_PARTIAL];
  if (other_gs && *partial) systrap_complete(id);
  uint32_t full = 0;
  if (*partial) {
    /* Nobody has looked at the others: the thread still has them. */
    *partial = 0;
  } else {
    full = regs[RIP] != c->call_rip || (regs[EFLAGS] & EFLAGS_TRAP) != 0 || other_gs;
    for (int i = 0; i < 15; i++) put_saved(&saved[i], regs[i]);
    put_saved(&saved[RIP], regs[RIP]);
    put_saved(&saved[CS], USER_CS);
    put_saved(&saved[EFLAGS], (regs[EFLAGS] & EFLAGS_USER) | EFLAGS_FIXED);
    put_saved(&saved[RSP], regs[RSP]);
    put_saved(&saved[SS], USER_SS);
  }
  area->result = regs[RAX];
  if (area->full != full) area->full = full;
  go(id);
}

/* Writes the slot's registers into the frame and lets the thread go on. */
static void give(int32_t id) {
  struct context *c = &P.contexts[id];
  struct area *area = area_of(c);
  if (c->call) {
    give_call(id);
    return;
  }
  struct host_ucontext *uc = (struct host_ucontext *)((uint8_t *)area + c->frame);
  const uint64_t *regs = regs_of(id);
  for (int i = 0; i < 15; i++) uc->gregs[greg_of[i]] = regs[i];
  uc->gregs[G_RSP] = regs[RSP];
  uc->gregs[G_RIP] = regs[RIP];
  uc->gregs[G_EFLAGS] = (regs[EFLAGS] & EFLAGS_USER) | EFLAGS_FIXED;
  uc->gregs[G_SEGMENTS] = USER_CS | (uint64_t)USER_SS << 48;
  uc->flags = UC_FLAGS;
  uc->link = 0;
  uc->stack_sp = area_address(c->area) + AREA_ALTSTACK;
  uc->stack_flags = 0;
  uc->stack_size = AREA_SIZE - AREA_ALTSTACK;
  uc->fpstate = area_address(c->area) + c->fp;
  uc->sigmask = 0;
  give_bases(id);
  go(id);
}

/* `next`: FP_*, what a thread that came through a patched call site goes on with. */
static void go_on_with(struct context *c, uint32_t next) { c->fp_next = area_of(c)->fp_restore = next; }

/* Puts a valid image where a thread that has parked loads its FP state from. */
static void put_fp(int32_t id, const uint8_t *image) {
  struct context *c = &P.contexts[id];
  struct area *area = area_of(c);
  if (c->call) {
    /* Not where it may be saving its own at this moment. */
    xstate_copy((uint8_t *)area + AREA_XLOAD, image);
    go_on_with(c, FP_GIVEN);
    return;
  }
  uint8_t *fp = (uint8_t *)area + c->fp;
  memcpy(fp, image, P.fp_size);
  uint32_t magic2 = FP_MAGIC2;
  memcpy(fp + P.fp_size, &magic2, 4);
}

/* A new thread has parked for the first time, in a frame that was found. */
static void parked(int32_t id) {
  struct context *c = &P.contexts[id];
  c->starting = false;
  if (c->early_fp == NULL) return;
  put_fp(id, c->early_fp);
  free(c->early_fp);
  c->early_fp = NULL;
}

void systrap_collect(void) {
  for (int32_t i = P.running_count - 1; i >= 0; i--) {
    int32_t id = P.running[i];
    struct context *c = &P.contexts[id];
    if (__atomic_load_n(&area_of(c)->state, __ATOMIC_ACQUIRE) == STATE_RUN) {
      if (P.spaces[c->space].dead) report(id, EV_DIED);
      continue;
    }
    bool done = P.spaces[c->space].batch != id || batch_settle(&P.spaces[c->space]);
    if (!done || !find_frame(c)) {
      doom(&P.spaces[c->space]);
      report(id, EV_DIED);
    } else if (!c->starting) {
      placement_stopped(c, area_of(c)->cpu);
      report(id, c->call ? take_call(id) : take(id));
    } else {
      parked(id);
      if (c->interrupted)
        report(id, EV_INTERRUPT);
      else
        give(id);
      c->interrupted = false;
    }
  }
}

/* Makes a thread that came through a patched call site save its FP state where we see it. 0, or -ESRCH when it does not. */
static int saved_fp(int32_t id) {
  struct context *c = &P.contexts[id];
  struct space *space = &P.spaces[c->space];
  struct area *area = area_of(c);
  if (__atomic_load_n(&area->fp_valid, __ATOMIC_ACQUIRE) != 0) return 0;
  uint32_t expected = STATE_STOPPED;
  __atomic_compare_exchange_n(&area->state, &expected, STATE_SAVE, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
  uint64_t start = now_ns(), now = start;
  while (__atomic_load_n(&area->fp_valid, __ATOMIC_ACQUIRE) == 0) {
    /* It spins on another CPU, or has lost its own and needs some time. */
    if (now - start < 20000) {
      for (int i = 0; i < 20 && __atomic_load_n(&area->fp_valid, __ATOMIC_ACQUIRE) == 0; i++) __asm__ volatile("pause");
    } else {
      struct timespec pause = {0, 20000};
      nanosleep(&pause, NULL);
      reap_space(space);
    }
    now = now_ns();
    if (now - start > SAVE_LIMIT_NS) doom(space);
    if (space->dead || now - start > SAVE_LIMIT_NS) return -ESRCH;
  }
  return 0;
}

/* Waits until a new thread has parked, or an old one has its FP state in memory. 0, or -ESRCH when it is gone. */
int systrap_ready(int32_t id) {
  struct context *c = &P.contexts[id];
  struct space *space = &P.spaces[c->space];
  if (c->unborn) start_thread(space);
  if (space->dead) return -ESRCH;
  if (c->call) return saved_fp(id);
  if (!c->starting) return 0;
  struct area *area = area_of(c);
  uint64_t end = now_ns() + START_LIMIT_NS;
  while (__atomic_load_n(&area->state, __ATOMIC_ACQUIRE) == STATE_RUN) {
    struct timespec pause = {0, 20000};
    if (now_ns() > end) {
      doom(space);
      return -ESRCH;
    }
    nanosleep(&pause, NULL);
    reap_space(space);
    if (space->dead) return -ESRCH;
  }
  if (!find_frame(c)) {
    doom(space);
    return -ESRCH;
  }
  parked(id);
  return 0;
}

void systrap_resume(int32_t id) {
  struct context *c = &P.contexts[id];
  if (c->unborn) start_thread(&P.spaces[c->space]);
  set_running(id);
  if (P.spaces[c->space].dead) return; /* the next collect reports it */
  if (c->starting) return;             /* collect lets it go once it has parked */
  give(id);
}

void systrap_interrupt(int32_t id) {
  struct context *c = &P.contexts[id];
  if (c->starting) {
    c->interrupted = true;
    return;
  }
  if (syscall(SYS_tgkill, P.spaces[c->space].pid, c->tid, INTERRUPT_SIGNAL) != 0 && errno == ESRCH) {
    /* The thread made itself exit. */
    doom(&P.spaces[c->space]);
    report(id, EV_DIED);
  }
}

int systrap_get_fp(int32_t id, uint8_t *to) {
  struct context *c = &P.contexts[id];
  if (c->call && c->fp_next == FP_INITIAL) {
    xstate_initial(to);
    return 0;
  }
  bool given = c->call && c->fp_next == FP_GIVEN;
  int error = given ? 0 : systrap_ready(id);
  if (error != 0) return error;
  memcpy(to, (uint8_t *)area_of(c) + (given ? AREA_XLOAD : c->fp), P.fp_size);
  xstate_clean(to);
  return 0;
}

int systrap_set_fp(int32_t id, const uint8_t *from) {
  struct context *c = &P.contexts[id];
  uint8_t image[AREA_SIZE];
  memcpy(image, from, P.fp_size);
  xstate_clean(image);
  if (c->starting) {
    /* It gets it when it has parked: nobody waits for that. */
    if (c->early_fp == NULL && (c->early_fp = malloc(P.fp_size)) == NULL) return -ENOMEM;
    memcpy(c->early_fp, image, P.fp_size);
    return 0;
  }
  /* What it has need not be saved to be lost. */
  int error = c->call ? 0 : systrap_ready(id);
  if (error == 0) put_fp(id, image);
  return error;
}

int systrap_reset_fp(int32_t id) {
  struct context *c = &P.contexts[id];
  if (!c->starting && c->call && P.fp_size <= sizeof(P.global->xinit)) {
    go_on_with(c, FP_INITIAL);
    return 0;
  }
  uint8_t image[AREA_SIZE];
  xstate_initial(image);
  return systrap_set_fp(id, image);
}

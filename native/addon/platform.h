/*
 * What stub.c, spaces.c, systrap.c, ptrace.c and poller.c share: the tables of stub processes and guest threads ("contexts").
 *
 * One platform at a time for each process; everything here is used by the JavaScript main thread only, except for the
 * SIGCHLD handler. Numbers that come out of shared memory are untrusted: see native/stub/layout.h.
 */
#ifndef TSVISOR_PLATFORM_H
#define TSVISOR_PLATFORM_H

#include "addon.h"

#include "../stub/layout.h"

#include <sched.h>
#include <signal.h>
#include <sys/types.h>

#define MAX_SPACES 16384
#define MAX_CONTEXTS 16384
#define MAX_READY 256

/* A context's slot in the register file, in 32-bit words: src/platform/platform.ts. */
#define CTX_WORDS 64
#define CTX_EVENT 54
#define CTX_SIGNO 55
#define CTX_SICODE 56
#define CTX_ADDR 58
#define CTX_ERR 60
#define CTX_TRAPNO 61
#define CTX_TRAPPED 62
#define CTX_PARTIAL 63
#define EV_SYSCALL 1
#define EV_FAULT 2
#define EV_INTERRUPT 3
#define EV_DIED 4

/* struct user_regs_struct, as indices of 64-bit words. */
enum {
  R15, R14, R13, R12, RBP, RBX, R11, R10, R9, R8, RAX, RCX, RDX, RSI, RDI, ORIG_RAX, RIP, CS, EFLAGS, RSP, SS,
  FS_BASE, GS_BASE, DS, ES, FS, GS, REG_COUNT
};
#define USER_CS 0x33
#define USER_SS 0x2b

/* The signal that stops a running guest thread. */
#define INTERRUPT_SIGNAL SIGUSR1

enum status {
  CTX_FREE,
  CTX_STOPPED, /* the kernel owns its registers */
  CTX_RUNNING, /* in the running list */
  CTX_IDLE,    /* released, parked, kept for the next newContext of its address space */
};

struct context {
  uint8_t status;
  bool starting;    /* its thread has not parked for the first time */
  bool fresh;       /* it has not stopped since it was made: its thread may still be on our CPU */
  bool interrupted; /* systrap: interrupt() came while it was starting */
  bool spread;      /* ptrace: may run on every CPU, until it stops */
  bool own_cpus;    /* runs on CPUs that the guest asked for */
  bool call;        /* systrap: it stopped by ENTRY_CALL */
  bool unborn;      /* its thread starts with the next batch of its space */
  bool mapped;      /* ... in which its area is mapped already */
  bool left;        /* systrap: another thread is to wake its thread (wake.c), and it has not stopped since */
  int32_t space;
  int32_t area;
  int32_t next; /* in its space's idle list */
  int32_t slot; /* index in the running list */
  pid_t tid;
  uint32_t frame; /* systrap: offsets of the ucontext and of the FP state in the area, checked */
  uint32_t fp;
  uint32_t fp_next; /* ENTRY_CALL: FP_*, as the thread was told */
  uint64_t fs_base; /* systrap: what the thread has loaded */
  uint64_t gs_base;
  uint64_t call_rip; /* ENTRY_CALL: where it goes on by itself; UINT64_MAX: nowhere */
  uint8_t *early_fp; /* systrap, malloc'ed: the FP state that it gets when it has parked for the first time; or NULL */
  /* placement.c, systrap only; times in TSC ticks. */
  uint64_t seen, stopped; /* seen: when it was first found running since it was resumed; 0: not yet */
  uint32_t stops; /* in a row, soon after each other, on (or not on) our CPU: `here` */
  bool here;
  uint32_t move_after; /* stops before it is moved; 0: before it begins */
  uint64_t moved_at;   /* when it last was, to another CPU than ours */
  bool moved; /* it may run on some CPUs only, until it stops */
  uint64_t interrupt_ns; /* when the unanswered interrupt was last sent; 0: none */
  int32_t interrupt_tries;
  /* The last batch that it got: stub_batch.c. */
  uint32_t batch_seq;
  int32_t batch_count;
  struct batch_op batch[BATCH_MAX];
};

/* A process's CPU clocks in Linux's numbering: samples of all and of user time, and the exact sum. */
#define CPU_CLOCKS 3

struct space {
  bool used;
  bool dead;     /* its process is gone (and reaped) */
  bool released; /* its guest memory unmapped: killed, free it when it is dead; or kept for the next fork_space */
  pid_t pid; /* also the helper's thread id */
  int32_t next_by_pid;
  int32_t area;
  uint32_t seq;
  int32_t cpu; /* the CPU that the helper may run on; -1: any */
  int32_t idle;   /* list of parked contexts for re-use */
  int32_t idle_count;
  int32_t broken; /* list of contexts that could not be made */
  int32_t contexts; /* threads made */
  int32_t unborn;   /* the context whose thread starts with the next batch; -1: none */
  int32_t spare;    /* the area of a thread that was, which is mapped still; -1: none */
  pid_t spare_tid;  /* that thread, if it may still be about to exit; 0: none */
  uint64_t kept_ns; /* when it was told to */
  int32_t batch;    /* the context whose batch is not known to be done; -1: none */
  int64_t cpu_before[CPU_CLOCKS]; /* CPU time that the process had already had when it was taken, ns */
};

/* Empty stub processes that are kept for the next fork_space. */
#define MAX_KEPT 8

#define PID_BUCKETS 4096
#define DEATHS 256

enum kind { SYSTRAP, PTRACE };

struct platform {
  bool up;
  enum kind kind;
  int wake_fd, done_fd, control_fd, socket_fd, epoll_fd;
  uint8_t *control; /* the control file, AREA_COUNT areas */
  struct global *global;
  struct space *spaces; /* 0 is the template, which never runs guest code */
  struct context *contexts;
  int32_t space_count, context_count;
  int32_t kept[MAX_KEPT]; /* the one released last is at the end */
  int32_t kept_count;
  int32_t free_spaces[MAX_SPACES];
  int32_t free_space_count;
  int32_t free_contexts[MAX_CONTEXTS];
  int32_t free_context_count;
  int32_t free_areas[AREA_COUNT];
  int32_t free_area_count, area_count;
  int32_t running[MAX_CONTEXTS];
  int32_t running_count;
  int32_t pending[MAX_CONTEXTS]; /* stopped, not yet told to JavaScript */
  int32_t pending_count;
  int32_t falling; /* threads that were told to sleep a moment ago, and may still be awake */
  volatile sig_atomic_t children_changed;
  /* Who died, by the handler of SIGCHLD; how many it has told and how many of them have been looked at. */
  volatile pid_t deaths[DEATHS];
  volatile uint32_t deaths_told;
  uint32_t deaths_seen;
  uint64_t reap_ns; /* when all children may be looked at again */
  int32_t by_pid[PID_BUCKETS];
  uint32_t fp_size;     /* bytes of the standard XSAVE format, without state that needs permission (AMX) */
  uint64_t fp_features; /* state components in it */
  bool xsave;           /* the processor's XSAVE may be used */
  uint32_t mxcsr_mask;
  int cpus;   /* CPUs this process may use */
  uint64_t interrupt_retry_ns;
  bool patching; /* systrap: call sites may be patched */
  cpu_set_t cpu_set;
  int pinned; /* the CPU that this thread keeps itself on; -1: none */
  /* Shared with JavaScript: */
  uint32_t *regs;
  int32_t *stopped;
  int32_t *ready;
  int32_t *counts; /* stopped, ready; what platformResumeNext resumes, and how: COUNT_LEAVE */
  double *times;   /* behind them: CLOCK_MONOTONIC when the last wait began and when it ended, ns; timeout of platformWaitNext */
  uint64_t tsc;    /* when somebody looked last */
  double *ops;
  struct sigaction old_sigchld;
};

extern struct platform P;

/* The memory that JavaScript keeps for good, whatever becomes of the platform (freeze.c). */
struct shared {
  uint32_t *regs;
  int32_t *stopped, *ready, *counts;
  double *ops;
};
void shared_keep(struct shared *kept);
/* Is to be the platform's again, all zero. */
void shared_restore(const struct shared *kept);

static inline struct area *area_of(const struct context *c) {
  return (struct area *)(P.control + (size_t)c->area * AREA_SIZE);
}
static inline uint64_t area_address(int32_t area) { return STUB_AREAS + (uint64_t)area * AREA_SIZE; }
static inline uint64_t *regs_of(int32_t id) { return (uint64_t *)(P.regs + (size_t)id * CTX_WORDS); }
static inline uint32_t *words_of(int32_t id) { return P.regs + (size_t)id * CTX_WORDS; }

uint64_t now_ns(void);
static inline uint64_t rdtsc(void) {
  uint32_t lo, hi;
  __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
  return (uint64_t)hi << 32 | lo;
}
int futex_wake(uint32_t *word);

/* stub.c */
/*
 * We keep to the CPU that we are on until we sleep; which one, or < 0. Whom we wait for runs there too: waking a thread on a
 * sleeping CPU costs ten times as much as a switch, and that is what the scheduler would choose for either when a CPU is idle.
 */
int stay(void);
/* Lets the scheduler move this thread again. */
void unpin(void);
/* Starts the platform with the stub executable; 0 or -errno, then stub_stop cleans up. */
int stub_start(enum kind kind, int stub_fd);
void stub_stop(void);
void send_interrupt(int32_t id);
/* Takes `id` off the running list and reports it as stopped with this event. */
void report(int32_t id, uint32_t event);
void set_running(int32_t id);
/* What a space's helper executes, and its results; those are trusted in the template only. */
uint8_t *command_page(const struct space *space);
uint64_t *result_page(const struct space *space);
/* Puts host call number i of a batch into the helper's command page. */
void put_op(struct space *space, int i, uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f);
/*
 * Lets the helper execute the `count` ops in its command page and waits for the end. 0, the -errno of the first op that
 * failed (the others are done), or -ESRCH when the process died.
 */
int run_batch(struct space *space, int count);

/* spaces.c */
/* The number of a space whose process is still to be made, or -EAGAIN. */
int32_t take_space(void);
/* Forks a stub process, or takes one that was kept: its index in P.spaces, or -errno. */
int fork_space(void);
void release_space(int32_t index);
/* What a CPU clock of the process shows, ns, or -errno. */
int64_t cpu_clock(const struct space *space, int which);
/* A stopped context with cleared registers: its id, or -errno. */
int new_context(int32_t index);
/* It goes on with the initial FP state: 0 or -errno. */
int reset_fp(int32_t id);
/* Keeps a context's parked thread for the next new_context of its space. */
void make_idle(int32_t id);
/*
 * The first thread of a process starts with its first batch, so that both need one hand-off. A batch for a space begins with
 * batch_start(), which gives the number of ops that are there already, and ends with run_batch() and thread_started().
 */
int batch_start(struct space *space);
/* 0, or -errno when there was a thread to be started and it was not: `error` is that of the batch. */
int thread_started(struct space *space, int error);
/* Starts that thread if it is still to be started; 0 or -errno. */
int start_thread(struct space *space);
/* Kills a stub process that broke the rules; its contexts come back as EV_DIED. */
void doom(struct space *space);
void wait_dead(struct space *space);
/* The process of a space has been made. */
void born(int32_t index, pid_t pid);
/* Notes the deaths of stub processes: most of them now, all of them soon (children_changed stays set until then). */
void reap(void);
/* It has ended, and was reaped. */
void died(int32_t index);
/* Whether this one's process ended, which is then noted (systrap). */
bool reap_space(const struct space *space);
/* Marks the stub process as dead; false: it is none of ours. */
bool note_exit(pid_t pid);
/* Threads of kept processes that do not exit, as they were told, lose their process. Whether there are any left to wait for. */
bool check_kept(uint64_t now);
/* The thread may use all our CPUs (again). 0 or -errno. */
int use_every_cpu(struct context *c);

/* stub.c */
/*
 * A guest thread can make itself deaf to interrupts (by its signal mask or alternate stack). One that does not stop after
 * INTERRUPT_TRIES signals, INTERRUPT_RETRY_NS apart, loses its process. Called before sleeping; true: call again in that time.
 */
#define INTERRUPT_RETRY_NS 500000000
#define INTERRUPT_TRIES 10
bool check_interrupts(uint64_t now);

/* stub_batch.c */
/* Kinds of operations, shared with JavaScript: native.unsafe.ts. */
#define OP_MAP 1
#define OP_UNMAP 2
#define OP_PROTECT 3
#define OP_MOVE 4
#define OP_CLEAR 5
#define OP_WINDOW 6
#define OP_CLOSE_WINDOWS 7
#define OP_HUGE 8
/* Doubles of an operation in a thread's batch. */
#define BATCH_WORDS 4
/*
 * Gives a stopped context, which is to be resumed next, `count` operations from JavaScript to execute first. 0 or -errno: they are not
 * done.
 */
int batch_give(int32_t id, const double *ops, int32_t count);
/*
 * Waits until a batch that a thread of the address space got is done; before the space's command page is written to. False: it
 * was not, and the process has been killed.
 */
bool batch_settle(struct space *space);

/* systrap.c */
void systrap_collect(void);
void systrap_resume(int32_t id);
int systrap_ready(int32_t id);
void systrap_interrupt(int32_t id);
/* Fetches the registers that CTX_PARTIAL says are missing. */
void systrap_complete(int32_t id);
int systrap_get_fp(int32_t id, uint8_t *to);
int systrap_set_fp(int32_t id, const uint8_t *from);
int systrap_reset_fp(int32_t id);

/* placement.c, systrap */
void placement_start(void);
void placement_stop(void);
void placement_tune(double ticks_per_ns, uint64_t guest_spin_ns);
/* Whether there are fewer than two CPUs for a thread that calls and us, so that spinning takes time from somebody who works. */
bool placement_crowded(uint64_t tsc);
/* A new thread, which is `alone` in its process. */
void placement_new(struct context *c, bool alone);
/* A thread stopped, on this CPU as it says. */
void placement_stopped(struct context *c, uint32_t cpu);
/* Whether there is a running thread that may use some CPUs only; nothing has happened for a while: it may use all. */
bool placement_moved(void);
void placement_idle(void);
/* A thread that sleeps will be woken up: where? */
void placement_wake(struct context *c);

/* wake.c, systrap */
/* In counts: whether the wake-up of the context that is resumed next may be left to the one resumed after that. */
#define COUNT_LEAVE 10
void wake_start(void);
void wake_tune(double ticks_per_ns);
/* A thread that sleeps, or is about to, is to look at its state again; `leave`: soon. */
void wake_thread(int32_t id, bool leave);
/*
 * `id` is going to be resumed after `ringer`, as one that may be left: whether the thread of `ringer` will have been told to wake that of
 * `id` then. wake_not: it is not resumed after all.
 */
bool wake_early(int32_t ringer, int32_t id);
void wake_not(int32_t id);
/* The thread of `c`, which spins, is about to go on or to sleep: the context whose thread it shall wake before, or -1. */
int32_t wake_by(const struct context *c);
/* Wakes who waits for that too long (`tsc`: now), or everybody. */
void wake_late(uint64_t tsc);
void wake_all(void);

/* ptrace.c */
int ptrace_start(int32_t id);
void ptrace_collect(void);
/* Waits until the process is gone; stops of others meanwhile are reported. */
void ptrace_wait_dead(struct space *space);
bool ptrace_crowded(void);
void ptrace_spread(void);
void ptrace_resume(int32_t id);
void ptrace_interrupt(int32_t id);
int ptrace_get_fp(int32_t id, uint8_t *to);
int ptrace_set_fp(int32_t id, const uint8_t *from);

/* xstate.c */
void xstate_probe(void);
/* Makes a copied XSAVE image canonical: unknown bits dropped, components in initial state filled in. */
void xstate_clean(uint8_t *image);
/* Whether a hardware restore of this image cannot fault. */
bool xstate_valid(const uint8_t *image);
void xstate_initial(uint8_t *image);
/* Copies an image, without the components that are in their initial state. */
void xstate_copy(uint8_t *to, const uint8_t *image);

#endif

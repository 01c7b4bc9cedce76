/*
 * What the stub and the Sentry's addon must agree on: addresses inside a stub process, fd numbers, and the memory they
 * share (the "control" memory file).
 *
 * The control file is an array of areas of AREA_SIZE bytes. Area 0 holds `struct global` (read-only in every stub).
 * Each stub process owns one area with its command page (read-only in the stub) and result page. Each guest thread owns one
 * area: `struct area` at its start, its alternate signal stack above.
 *
 * Trust: everything but the command pages and area 0 is writable by guest code. The Sentry copies and checks.
 */
#ifndef TSVISOR_STUB_LAYOUT_H
#define TSVISOR_STUB_LAYOUT_H

/*
 * Where the stub lives. Its first page is the code of the helper and of start-up, its second one the signal handler of guest
 * threads: who may make which host call hangs on that (filters.c), and on the low half of the base being 0.
 */
#define STUB_BASE 0x7ff000000000
#define STUB_HIGH 0x7ff0 /* upper 32 bits of every address below */
#define STUB_HELPER_END 0x1000
#define STUB_HANDLER 0x7ff000001000
#define STUB_HANDLER_SIZE 0x1000
#define STUB_TEXT_END 0x2000
#define STUB_CMD 0x7ff001000000
#define STUB_CMD_SIZE 0x4000
#define STUB_RES 0x7ff001004000
#define STUB_RES_SIZE 0x1000
#define STUB_AREAS 0x7ff010000000
#define STUB_AREAS_LOW 0x10000000
#define AREA_SIZE 0x8000
#define AREA_COUNT 32768
#define STUB_END 0x7ff060000000
/* The host's TASK_SIZE with four-level page tables; nothing is mapped above without being asked for. */
#define TASK_TOP 0x7ffffffff000

/* Guest addresses: the lower bound is vm.mmap_min_addr's usual value, the upper leaves a gap below the stub. */
#define GUEST_MIN 0x10000
#define GUEST_MAX 0x7feff0000000

/* Fd numbers in the stubs' shared table. Guest threads have only STUB_FD_WAKE. */
#define STUB_FD_WAKE 0
#define STUB_FD_DONE 1
#define STUB_FD_CONTROL 2
#define STUB_FD_SOCKET 3

/* struct area, state: who may touch the rest. Only values the thread itself sleeps on; the Sentry believes none of them. */
#define STATE_RUN 0     /* guest code may run */
#define STATE_STOPPED 1 /* parked, spinning for a while */
#define STATE_ASLEEP 2  /* parked, in futex wait */
#define STATE_EXIT 3    /* told by the Sentry to exit */

/* Layout of the command page: sequence number, op count, then ops of 8 words: number, six arguments, pad. */
#define CMD_SEQ 0
#define CMD_COUNT 4
#define CMD_OPS 64
#define CMD_OP_SIZE 64
#define CMD_MAX_OPS 240
/* Result page: one word for each op; the template also receives fds here. */
#define RES_MSG 2048

/* Offsets in struct area and struct global that assembly needs. */
#define AREA_STACK 64
#define GLOBAL_ZERO 8
#define GLOBAL_CPUS 64

/* How a new guest thread starts (fifth argument of its clone op). */
#define THREAD_SYSTRAP 0
#define THREAD_PTRACE 1

#define THREAD_CLONE_FLAGS 0x50f00 /* CLONE_VM|FS|FILES|SIGHAND|THREAD|SYSVSEM */
#define PROCESS_CLONE_FLAGS 0x8411 /* CLONE_FILES|CLONE_PARENT|SIGCHLD */

/* Instructions in the seccomp programs. */
#define WIDE_FILTER_LENGTH 80
#define GUEST_FILTER_LENGTH 40

#ifndef __ASSEMBLER__

#include <stddef.h>
#include <stdint.h>

/* Start of a guest thread's area. Written by the thread's signal handler (or a hostile sibling of it). */
struct area {
  uint32_t state;
  uint32_t signo;
  uint64_t frame; /* address of the ucontext in this area; siginfo follows it */
  uint64_t fs_base;
  uint64_t gs_base;
  uint32_t cpu; /* where it stopped, a hint */
  uint32_t reserved[7];
  /* stack_t for sigaltstack, filled by the Sentry before the thread starts. */
  uint64_t stack_sp;
  uint64_t stack_flags;
  uint64_t stack_size;
};
_Static_assert(offsetof(struct area, stack_sp) == AREA_STACK, "AREA_STACK");

/* Start of area 0. */
struct global {
  uint32_t sleeping; /* the Sentry sleeps: a thread that stops must write the wake-up eventfd */
  uint32_t spin;     /* TSC ticks that a stopped thread spins before it sleeps */
  uint32_t zero;     /* always 0: something to wait on for ever */
  uint32_t cpu;      /* where the Sentry runs */
  uint32_t pad[12];
  uint8_t cpus[128]; /* CPUs that guest threads may use */
};
_Static_assert(offsetof(struct global, zero) == GLOBAL_ZERO, "GLOBAL_ZERO");
_Static_assert(offsetof(struct global, cpus) == GLOBAL_CPUS, "GLOBAL_CPUS");

/* The host kernel's struct ucontext on amd64. */
struct host_ucontext {
  uint64_t flags;
  uint64_t link;
  uint64_t stack_sp;
  uint64_t stack_flags;
  uint64_t stack_size;
  uint64_t gregs[23]; /* r8-r15 rdi rsi rbp rbx rdx rax rcx rsp rip eflags csgsfsss err trapno oldmask cr2 */
  uint64_t fpstate;
  uint64_t reserved[8];
  uint64_t sigmask;
};
#define HOST_UCONTEXT_SIZE 304
_Static_assert(sizeof(struct host_ucontext) == HOST_UCONTEXT_SIZE, "ucontext");
#endif
#endif

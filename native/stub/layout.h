/*
 * What the stub and the Sentry's addon must agree on: addresses inside a stub process, fd numbers, and the memory they
 * share (the "control" memory file).
 *
 * The control file is an array of areas of AREA_SIZE bytes. Area 0 holds `struct global` (read-only in every stub).
 * Each stub process owns one area with its command page (read-only in the stub) and result page. Each guest thread owns one
 * area: `struct area` at its start, its alternate signal stack above. The last areas are the bells (read-only in every stub).
 *
 * Trust: everything but the command pages, area 0 and the bells is writable by guest code. The Sentry copies and checks.
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
/* Trampolines of patched call sites jump here (entry.S). */
#define STUB_CALL_ENTRY 0x7ff000001010
#define STUB_TEXT_END 0x2000
#define STUB_CMD 0x7ff001000000
#define STUB_CMD_SIZE 0x4000
#define STUB_RES 0x7ff001004000
#define STUB_RES_SIZE 0x1000
#define STUB_AREAS 0x7ff010000000
#define STUB_AREAS_LOW 0x10000000
#define AREA_SIZE 0x8000
#define AREA_COUNT 32768
/*
 * Bells: a 32-bit word for each area, on which its thread sleeps. The Sentry changes it and has somebody ring (FUTEX_WAKE); any
 * thread may, so that a thread on the right CPU can: who is woken for nothing goes back to sleep.
 */
#define BELL_AREAS 4
#define STUB_BELLS (STUB_AREAS + (AREA_COUNT - BELL_AREAS) * AREA_SIZE)
#define STUB_END 0x7ff060000000
/* The host's TASK_SIZE with four-level page tables; nothing is mapped above without being asked for. */
#define TASK_TOP 0x7ffffffff000

/*
 * Windows: memory that belongs to this address space alone, mapped shared and writable by the helper, as chunks of the memory file at
 * addresses of the same alignment. Guest threads have no descriptor of it; they make mappings by duplicating part of a window
 * (mremap with an old size of 0). Such a duplicate could be longer than what it is made of, so that the filter keeps it within one
 * chunk: whoever has part of a chunk in a window has all of it.
 */
#define STUB_WINDOW 0x7fe100000000
#define STUB_WINDOW_HIGH 0x7fe1
#define STUB_WINDOW_END STUB_BASE
#define WINDOW_CHUNK 0x400000

/*
 * Guest addresses: the lower bound is vm.mmap_min_addr's usual value. Above are 4 GiB of nothing, so that the filter, which sees
 * halves of words, can keep what guest threads do to their memory below the windows.
 */
#define GUEST_MIN 0x10000
#define GUEST_MAX 0x7fe000000000
#define GUEST_END_HIGH 0x7fe0

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
#define STATE_SAVE 4    /* parked and spinning, asked by the Sentry for its FP state; goes on to STATE_STOPPED */

/*
 * How a guest thread came to stop: where its registers are. ENTRY_SIGNAL: in the signal frame. ENTRY_CALL: a patched call
 * site jumped to the stub (call_entry in entry.S): in `regs`; the FP state is where it was, in the processor.
 */
#define ENTRY_SIGNAL 0
#define ENTRY_CALL 1

/* struct user_regs_struct, as indices of 64-bit words (struct area, regs at AREA_REGS). */
#define REGS_R10 7
#define REGS_R9 8
#define REGS_R8 9
#define REGS_RAX 10
#define REGS_RDX 12
#define REGS_RSI 13
#define REGS_RDI 14
#define REGS_RIP 16
#define REGS_EFLAGS 18
#define REGS_RSP 19
#define REGS_SS 20

/* Layout of the command page: sequence number, op count, then ops of 8 words: number, six arguments, pad. */
#define CMD_SEQ 0
#define CMD_COUNT 4
#define CMD_OPS 64
#define CMD_OP_SIZE 64
#define CMD_MAX_OPS 240
/* Result page: one word for each op; the template also receives fds here. */
#define RES_MSG 2048

/* Offsets in struct area and struct global that assembly needs. */
#define AREA_PENDING 100
#define AREA_STACK 128
#define AREA_CONT 152
#define AREA_FACTS 160
/* The stack of call_entry's C code grows down from the registers. */
#define AREA_REGS 0x800
#define AREA_XSAVE 0x900
#define AREA_XLOAD 0x2080
#define AREA_XSAVE_SIZE 0x1780
/* The alternate signal stack: from here to the end. */
#define AREA_ALTSTACK 0x3800
#define GLOBAL_ZERO 8
#define GLOBAL_CPUS 64
#define GLOBAL_XINIT 0x400

/* FP state that a thread that came by ENTRY_CALL goes on with: what is in the processor, at AREA_XLOAD, or at GLOBAL_XINIT. */
#define FP_OWN 0
#define FP_GIVEN 1
#define FP_INITIAL 2

/* How a new guest thread starts (fifth argument of its clone op). */
#define THREAD_SYSTRAP 0
#define THREAD_PTRACE 1

#define THREAD_CLONE_FLAGS 0x50f00 /* CLONE_VM|FS|FILES|SIGHAND|THREAD|SYSVSEM */
#define PROCESS_CLONE_FLAGS 0x8411 /* CLONE_FILES|CLONE_PARENT|SIGCHLD */

/* Instructions in the seccomp programs. */
#define WIDE_FILTER_LENGTH 133
#define GUEST_FILTER_LENGTH 93

#ifndef __ASSEMBLER__

#include <stddef.h>
#include <stdint.h>

/*
 * What the stub may answer by itself, filled in by the Sentry whenever it changes. A guest that overwrites it fools nobody but
 * itself.
 */
struct facts {
  uint32_t valid; /* 0: nothing is answered */
  uint32_t pid, tid, ppid, uid, euid, gid, egid;
  /* Signals whose action is the default in all respects: bit n is signal n + 1. */
  uint32_t defaults[2];
};

/* Host calls that a thread makes on its own address space before it runs on, for the Sentry: mremap, munmap, mprotect. */
#define BATCH_MAX 8
struct batch_op {
  uint64_t nr;
  uint64_t args[5];
};

/*
 * Start of a guest thread's area. Written by the thread's signal handler (or a hostile sibling of it).
 *
 * What changes from call to call lies in the first cache line. In the second one nobody writes what does not change, and the
 * third is the thread's own: a line that has to go from one CPU to another costs about as much as the rest of a call.
 */
struct area {
  uint32_t state;
  /* ENTRY_CALL: eax, then rdi, rsi, rdx, r10, r8, r9 (also in the registers at AREA_REGS). By the Sentry, with STATE_RUN or
   * STATE_ASLEEP: whose bell to ring first, or 0. */
  uint32_t nr;
  uint64_t args[6];
  uint64_t result;  /* ENTRY_CALL, by the Sentry: rax */

  uint32_t signo;
  uint32_t entry; /* ENTRY_* of the last stop */
  uint64_t frame; /* address of the ucontext in this area; siginfo follows it */
  uint64_t fs_base;
  uint64_t gs_base;
  uint32_t cpu;        /* where it stopped, a hint */
  uint32_t pending;    /* ENTRY_CALL: an interrupt came while the thread was in stub code */
  uint32_t fp_valid;   /* ENTRY_CALL: the FP state lies at AREA_XSAVE */
  uint32_t fp_restore; /* ENTRY_CALL, by the Sentry: FP_* */
  uint32_t full;       /* ENTRY_CALL, by the Sentry: do not go on behind the call, but as the registers say */
  uint32_t batch_seq;   /* by the Sentry: the number of the batch to execute */
  uint32_t batch_done;  /* the last one that was executed, or failed */
  uint32_t batch_count; /* by the Sentry: its operations */

  /* stack_t for sigaltstack, filled by the Sentry before the thread starts. */
  uint64_t stack_sp;
  uint64_t stack_flags;
  uint64_t stack_size;
  uint64_t cont; /* ENTRY_CALL: where the trampoline goes on */
  struct facts facts;
  uint32_t traps; /* calls that came by signal and could be answered here */
  uint32_t batch_error; /* the errno of the operation that failed; those after it were not tried */
  struct batch_op batch[BATCH_MAX];
};
_Static_assert(offsetof(struct area, signo) == 64 && offsetof(struct area, stack_sp) == 128, "cache lines");
_Static_assert(offsetof(struct area, pending) == AREA_PENDING, "AREA_PENDING");
_Static_assert(offsetof(struct area, stack_sp) == AREA_STACK, "AREA_STACK");
_Static_assert(offsetof(struct area, cont) == AREA_CONT, "AREA_CONT");
_Static_assert(offsetof(struct area, facts) == AREA_FACTS, "AREA_FACTS");
_Static_assert(BELL_AREAS * AREA_SIZE == AREA_COUNT * 4, "bells");
_Static_assert(sizeof(struct area) <= 0x300, "struct area: above it is the stack of call_entry");

/* Start of area 0. */
struct global {
  uint32_t sleeping; /* the Sentry sleeps: a thread that stops must write the wake-up eventfd */
  uint32_t spin;     /* TSC ticks that a stopped thread spins before it sleeps */
  uint32_t zero;     /* always 0: something to wait on for ever */
  uint32_t cpu;      /* where the Sentry runs */
  uint64_t fp_features; /* state components that XSAVE saves */
  uint32_t pad[10];
  uint8_t cpus[128]; /* CPUs that guest threads may use */
  uint8_t other[GLOBAL_XINIT - 192];
  uint8_t xinit[4096 - GLOBAL_XINIT]; /* the initial FP state, if there is room for it */
};
_Static_assert(offsetof(struct global, zero) == GLOBAL_ZERO, "GLOBAL_ZERO");
_Static_assert(offsetof(struct global, cpus) == GLOBAL_CPUS, "GLOBAL_CPUS");
_Static_assert(offsetof(struct global, xinit) == GLOBAL_XINIT, "GLOBAL_XINIT");
_Static_assert(AREA_XSAVE + AREA_XSAVE_SIZE == AREA_XLOAD && AREA_XLOAD + AREA_XSAVE_SIZE == AREA_ALTSTACK, "FP states");

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
/* siginfo_t of a SIGSYS. */
struct host_sigsys {
  int32_t signo, error, code, pad;
  uint64_t address;
  int32_t number;
  uint32_t arch;
};
/* In gregs. */
#define GREG_RBX 11
#define GREG_RAX 13
#define GREG_RSP 15
#define GREG_RIP 16
#define GREG_EFLAGS 17
#define HOST_UCONTEXT_SIZE 304
_Static_assert(sizeof(struct host_ucontext) == HOST_UCONTEXT_SIZE, "ucontext");
#endif
#endif

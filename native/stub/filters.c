/*
 * Who may make which host call. The instruction pointer decides:
 *   - in the helper's page: what start-up and the helper need;
 *   - in the handler's page: what a guest thread needs to park and to go on. What is allowed there gives a guest that jumps to
 *     our call sites with registers of its choice nothing: its fd table holds only the wake-up eventfd;
 *   - anywhere else: nothing.
 * A guest may not wait on the command page: it would take the helper's wake-up. All else is trapped (SIGSYS). Guest threads are kept out of the helper's page by syscall user dispatch (entry.S), which
 * looks before seccomp does and which they have no call to switch off; on hosts without it, by guest_filter.
 */
#include "layout.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define LOAD_ARG(n) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args) + 8 * (n))
#define LOAD_ARG_HIGH(n) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args) + 8 * (n) + 4)
#define EQUAL(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (yes), (no))
#define BELOW(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (value), (no), (yes))
#define JUMP(n) BPF_STMT(BPF_JMP | BPF_JA, (n))
#define AND(value) BPF_STMT(BPF_ALU | BPF_AND | BPF_K, (value))
#define ADD_X BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0)
#define TO_X BPF_STMT(BPF_MISC | BPF_TAX, 0)
#define TRAP BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP)
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define ALLOW_NR(nr) EQUAL((nr), 0, 1), ALLOW

#define INSTRUCTION_POINTER_LOW BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 8)
#define INSTRUCTION_POINTER_HIGH BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 12)
_Static_assert(offsetof(struct seccomp_data, instruction_pointer) == 8, "seccomp_data");

/* Leaves the call's number in the accumulator, if the call comes from the stub (the address is that behind the instruction). */
#define FROM_STUB INSTRUCTION_POINTER_HIGH, EQUAL(STUB_HIGH, 1, 0), TRAP, LOAD(arch), EQUAL(AUDIT_ARCH_X86_64, 1, 0), TRAP

/*
 * rt_sigreturn sets the caller's own registers and signal mask, exit ends it, sched_yield hurts nobody; write tells the Sentry of a stop.
 */
#define HANDLER_CALLS                                                                                                  \
  LOAD(nr), ALLOW_NR(15), ALLOW_NR(60), ALLOW_NR(24), EQUAL(1, 0, 10), LOAD_ARG(0), EQUAL(STUB_FD_WAKE, 1, 0), TRAP,                 \
      LOAD_ARG_HIGH(2), EQUAL(0, 1, 0), TRAP, LOAD_ARG(2), EQUAL(8, 1, 0), TRAP, ALLOW, /* futex: */                    \
      EQUAL(202, 0, 11), LOAD_ARG_HIGH(0), EQUAL(STUB_HIGH, 1, 0), TRAP, LOAD_ARG(0),                             \
      BELOW(STUB_AREAS_LOW, 0, 1), TRAP, LOAD_ARG(1),                                                                  \
      EQUAL(0 /* FUTEX_WAIT */, 1, 0), EQUAL(1 /* FUTEX_WAKE */, 0, 1), ALLOW, TRAP, MEMORY_CALLS
#define HANDLER_CALLS_LENGTH 82

/* The lower half of an argument must be 0, or its upper half. */
#define ZERO(n) LOAD_ARG(n), EQUAL(0, 1, 0), TRAP
#define ZERO_HIGH(n) LOAD_ARG_HIGH(n), EQUAL(0, 1, 0), TRAP

/*
 * What a thread may do to its own memory, with the call's number in the accumulator; what the Sentry has it do is among it.
 * munmap, mprotect: what begins and ends among guest addresses. The upper halves of address and length, below 2^15 each, are added;
 * what the lower ones make of it (a carry, and rounding up to pages) stays within the gap above GUEST_MAX.
 * mremap: a duplicate of part of one chunk in a window, put among guest addresses.
 * Nothing else is moved, so that what the helper unmaps is where it was mapped.
 */
#define MEMORY_CALLS                                                                                                   \
  EQUAL(11 /* munmap */, 2, 0), EQUAL(10 /* mprotect */, 1, 0), JUMP(14), LOAD_ARG_HIGH(0),                            \
      BELOW(GUEST_END_HIGH, 1, 0), TRAP, TO_X, LOAD_ARG_HIGH(1), BELOW(GUEST_END_HIGH, 1, 0), TRAP, ADD_X,             \
      BELOW(GUEST_END_HIGH, 1, 0), TRAP, LOAD_ARG(2), BELOW(8 /* protections, or 0 */, 1, 0), TRAP, ALLOW, /* */        \
      EQUAL(25 /* mremap */, 1, 0), TRAP, LOAD_ARG_HIGH(0), BELOW(STUB_WINDOW_HIGH, 0, 1), TRAP, BELOW(STUB_HIGH, 1, 0),  \
      TRAP, ZERO(1), ZERO_HIGH(1), ZERO_HIGH(2), LOAD_ARG(2), BELOW(WINDOW_CHUNK + 1, 1, 0), TRAP, TO_X, LOAD_ARG(0),    \
      AND(WINDOW_CHUNK - 1), ADD_X, BELOW(WINDOW_CHUNK + 1, 1, 0), TRAP, ZERO_HIGH(3), LOAD_ARG(3),                       \
      EQUAL(3 /* MREMAP_MAYMOVE | MREMAP_FIXED */, 1, 0), TRAP, LOAD_ARG_HIGH(4), BELOW(GUEST_END_HIGH, 1, 0), TRAP, ALLOW

const struct sock_filter wide_filter[] = {
    FROM_STUB,
    INSTRUCTION_POINTER_LOW,
    BELOW(STUB_HELPER_END + 1, 2 + HANDLER_CALLS_LENGTH, 0),
    BELOW(STUB_TEXT_END + 1, 1, 0),
    TRAP,
    HANDLER_CALLS,
    LOAD(nr),
    ALLOW_NR(202), /* futex */
    ALLOW_NR(1),   /* write */
    ALLOW_NR(9),   /* mmap */
    ALLOW_NR(11),  /* munmap */
    ALLOW_NR(10),  /* mprotect */
    ALLOW_NR(25),  /* mremap */
    ALLOW_NR(28),  /* madvise */
    ALLOW_NR(436), /* close_range */
    ALLOW_NR(14),  /* rt_sigprocmask */
    ALLOW_NR(131), /* sigaltstack */
    ALLOW_NR(203), /* sched_setaffinity */
    ALLOW_NR(317), /* seccomp */
    ALLOW_NR(157), /* prctl */
    ALLOW_NR(47),  /* recvmsg */
    ALLOW_NR(3),   /* close */
    EQUAL(56, 1, 0), /* clone, with our two sets of flags */
    TRAP,
    LOAD_ARG_HIGH(0),
    EQUAL(0, 1, 0),
    TRAP,
    LOAD_ARG(0),
    EQUAL(THREAD_CLONE_FLAGS, 1, 0),
    EQUAL(PROCESS_CLONE_FLAGS, 0, 1),
    ALLOW,
    TRAP,
};
_Static_assert(sizeof(wide_filter) / sizeof(wide_filter[0]) == WIDE_FILTER_LENGTH, "WIDE_FILTER_LENGTH");

const struct sock_filter guest_filter[] = {
    FROM_STUB,
    INSTRUCTION_POINTER_LOW,
    BELOW(STUB_TEXT_END + 1, 1, 0),
    TRAP,
    BELOW(STUB_HELPER_END + 1, 0, 1),
    TRAP,
    HANDLER_CALLS,
};
_Static_assert(sizeof(guest_filter) / sizeof(guest_filter[0]) == GUEST_FILTER_LENGTH, "GUEST_FILTER_LENGTH");
_Static_assert(sizeof((const struct sock_filter[]){HANDLER_CALLS}) / sizeof(struct sock_filter) == HANDLER_CALLS_LENGTH,
               "HANDLER_CALLS_LENGTH");

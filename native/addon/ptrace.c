/*
 * ptrace: guest threads of the same stub processes, run by PTRACE_SYSEMU. The tracer is the JavaScript main thread. Guest
 * threads have no filter of their own: no system call of theirs is executed, and if we die they are killed (EXITKILL).
 */
#include "platform.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

_Static_assert(sizeof(struct user_regs_struct) == REG_COUNT * 8, "user_regs_struct");

#ifndef PTRACE_SYSEMU
#define PTRACE_SYSEMU 31
#endif

/* Largest image that the host's XSAVE regset may have. */
#define XSTATE_MAX 32768
/* Where the kernel says which components an image of the regset can hold. */
#define EXTRA_OFFSET 464

#define SYSCALL_STOP (SIGTRAP | 0x80)
#define PAGE_FAULT 14
#define PROTECTION_FAULT 13
/* Page-fault error code bits. */
#define PF_PRESENT 1
#define PF_WRITE 2
#define PF_USER 4
#define PF_FETCH 16
/* Longest instruction. */
#define INSTRUCTION_MAX 15

static int get_set(int request, pid_t tid, uintptr_t set, void *data, size_t *size) {
  struct iovec iov = {data, *size};
  if (ptrace(request, tid, set, &iov) != 0) return -errno;
  *size = iov.iov_len;
  return 0;
}

/* Marks a context as gone and its process as to be killed: a thread alone cannot be replaced. */
static void lost(int32_t id) {
  doom(&P.spaces[P.contexts[id].space]);
  if (P.contexts[id].status == CTX_RUNNING) report(id, EV_DIED);
}

int ptrace_start(int32_t id) {
  struct context *c = &P.contexts[id];
  struct area *area = area_of(c);
  struct space *space = &P.spaces[c->space];
  /* Its set-up ends with this store; a sibling that forges it only makes a thread start before its fds are closed. */
  for (int i = 0; __atomic_load_n(&area->state, __ATOMIC_ACQUIRE) == STATE_RUN; i++) {
    struct timespec pause = {0, 20000};
    nanosleep(&pause, NULL);
    if (i % 64 == 63 && syscall(SYS_tgkill, space->pid, c->tid, 0) != 0) return -ESRCH;
  }
  if (ptrace(PTRACE_SEIZE, c->tid, 0, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD) != 0) return -errno;
  if (ptrace(PTRACE_INTERRUPT, c->tid, 0, 0) != 0) return -errno;
  int status;
  pid_t pid;
  do
    pid = waitpid(c->tid, &status, __WALL);
  while (pid < 0 && errno == EINTR);
  if (pid != c->tid || !WIFSTOPPED(status)) return -ESRCH;
  c->starting = false;
  return 0;
}

/*
 * The error code that the processor pushed is not to be had. What can be told apart: no mapping (a read is assumed; when it was
 * a write to what is then mapped read-only, the access faults again) and a mapping that forbids (a write, if it is no fetch).
 */
static uint32_t guess_error(int32_t code, uint64_t address, uint64_t rip) {
  bool fetch = address - rip < INSTRUCTION_MAX && (address == rip || (address & 4095) == 0);
  uint32_t error = PF_USER | (code == SEGV_ACCERR ? PF_PRESENT : 0);
  if (fetch) return error | PF_FETCH;
  return code == SEGV_ACCERR ? error | PF_WRITE : error;
}

static uint32_t take_fault(int32_t id, int signo) {
  struct context *c = &P.contexts[id];
  uint32_t *words = words_of(id);
  siginfo_t info;
  if (ptrace(PTRACE_GETSIGINFO, c->tid, 0, &info) != 0 || info.si_code <= 0) return EV_INTERRUPT;
  uint64_t address = (uint64_t)(uintptr_t)info.si_addr;
  words[CTX_SIGNO] = (uint32_t)signo;
  words[CTX_SICODE] = (uint32_t)info.si_code;
  words[CTX_ADDR] = (uint32_t)address;
  words[CTX_ADDR + 1] = (uint32_t)(address >> 32);
  words[CTX_ERR] = 0;
  switch (signo) {
  case SIGSEGV:
    words[CTX_TRAPNO] = info.si_code == SI_KERNEL ? PROTECTION_FAULT : PAGE_FAULT;
    if (info.si_code != SI_KERNEL) words[CTX_ERR] = guess_error(info.si_code, address, regs_of(id)[RIP]);
    break;
  case SIGBUS:
    words[CTX_TRAPNO] = info.si_code == BUS_ADRALN ? 17 : PAGE_FAULT;
    if (info.si_code != BUS_ADRALN) words[CTX_ERR] = PF_USER;
    break;
  case SIGFPE:
    words[CTX_TRAPNO] = info.si_code == FPE_INTDIV ? 0 : 19;
    break;
  case SIGILL:
    words[CTX_TRAPNO] = 6;
    break;
  default:
    words[CTX_TRAPNO] = info.si_code == SI_KERNEL ? 3 : 1;
    break;
  }
  return EV_FAULT;
}

/* A `syscall` instruction leaves rip in rcx and the flags in r11; anything else that enters the kernel is int $0x80. */
static bool is_syscall(const uint64_t *regs) { return regs[RCX] == regs[RIP] && regs[R11] == regs[EFLAGS]; }

static void stopped(int32_t id, int status) {
  struct context *c = &P.contexts[id];
  uint64_t *regs = regs_of(id);
  uint32_t *words = words_of(id);
  size_t size = REG_COUNT * 8;
  if (get_set(PTRACE_GETREGSET, c->tid, NT_PRSTATUS, regs, &size) != 0 || size != REG_COUNT * 8) {
    lost(id);
    return;
  }
  uint32_t event = EV_INTERRUPT;
  int signo = WSTOPSIG(status);
  if (signo == SYSCALL_STOP) {
    if (is_syscall(regs)) {
      regs[RAX] = regs[ORIG_RAX];
      event = EV_SYSCALL;
    } else {
      regs[RIP] -= 2;
      regs[RAX] = regs[ORIG_RAX];
      regs[ORIG_RAX] = UINT64_MAX;
      words[CTX_SIGNO] = SIGSEGV;
      words[CTX_SICODE] = SI_KERNEL;
      words[CTX_ADDR] = words[CTX_ADDR + 1] = 0;
      words[CTX_TRAPNO] = PROTECTION_FAULT;
      words[CTX_ERR] = 0x80 * 8 + 2;
      event = EV_FAULT;
    }
  } else if (status >> 16 == 0) {
    if (signo == SIGSEGV || signo == SIGBUS || signo == SIGFPE || signo == SIGILL || signo == SIGTRAP)
      event = take_fault(id, signo);
  }
  if (event != EV_SYSCALL) regs[ORIG_RAX] = UINT64_MAX;
  report(id, event);
}

/* Takes in one status of a child or tracee. */
static void changed(pid_t tid, int status) {
  int32_t id = -1;
  for (int32_t i = 0; i < P.running_count && id < 0; i++)
    if (P.contexts[P.running[i]].tid == tid) id = P.running[i];
  if (WIFSTOPPED(status)) {
    if (id >= 0) stopped(id, status);
  } else if (WIFEXITED(status) || WIFSIGNALED(status)) {
    note_exit(tid);
    if (id >= 0) lost(id);
  }
}

void ptrace_collect(void) {
  pid_t tid;
  int status;
  P.children_changed = 0;
  while ((tid = waitpid(-1, &status, __WALL | WNOHANG)) > 0) changed(tid, status);
  for (int32_t i = P.running_count - 1; i >= 0; i--)
    if (P.spaces[P.contexts[P.running[i]].space].dead) report(P.running[i], EV_DIED);
}

void ptrace_wait_dead(struct space *space) {
  while (!space->dead) {
    int status;
    pid_t tid = waitpid(-1, &status, __WALL);
    if (tid > 0)
      changed(tid, status);
    else if (errno != EINTR)
      died((int32_t)(space - P.spaces));
  }
}

/*
 * Tracer and tracees are on one CPU, where a stop costs an eighth of what it does across CPUs. Threads that compute instead
 * of stopping would then share that CPU: they get all of them until their next stop.
 */
bool ptrace_crowded(void) {
  if (P.kind != PTRACE || P.cpus < 2 || P.running_count < 2) return false;
  for (int32_t i = 0; i < P.running_count; i++)
    if (!P.contexts[P.running[i]].spread && !P.contexts[P.running[i]].own_cpus) return true;
  return false;
}

void ptrace_spread(void) {
  for (int32_t i = 0; i < P.running_count; i++) {
    struct context *c = &P.contexts[P.running[i]];
    if (!c->spread && !c->own_cpus && sched_setaffinity(c->tid, sizeof(P.cpu_set), &P.cpu_set) == 0) c->spread = true;
  }
}

/* Back to the tracer's CPU. */
static void gather(struct context *c) {
  cpu_set_t set;
  c->spread = false;
  if (P.pinned < 0) return;
  CPU_ZERO(&set);
  CPU_SET(P.pinned, &set);
  sched_setaffinity(c->tid, sizeof(set), &set);
}

void ptrace_resume(int32_t id) {
  struct context *c = &P.contexts[id];
  if (c->spread && !c->own_cpus) gather(c);
  uint64_t regs[REG_COUNT];
  memcpy(regs, regs_of(id), sizeof(regs));
  regs[ORIG_RAX] = UINT64_MAX; /* the host restarts nothing */
  regs[CS] = USER_CS;
  regs[SS] = USER_SS;
  if (regs[FS_BASE] >> 47 != 0) regs[FS_BASE] = 0;
  if (regs[GS_BASE] >> 47 != 0) regs[GS_BASE] = 0;
  set_running(id);
  if (P.spaces[c->space].dead) return; /* the next collect reports it */
  size_t size = sizeof(regs);
  if (get_set(PTRACE_SETREGSET, c->tid, NT_PRSTATUS, regs, &size) != 0 || ptrace(PTRACE_SYSEMU, c->tid, 0, 0) != 0)
    doom(&P.spaces[c->space]);
}

void ptrace_interrupt(int32_t id) { ptrace(PTRACE_INTERRUPT, P.contexts[id].tid, 0, 0); }

/* Reads the whole regset; its size, or -errno. */
static int read_xstate(pid_t tid, uint8_t *image) {
  size_t size = XSTATE_MAX;
  memset(image, 0, P.fp_size);
  int error = get_set(PTRACE_GETREGSET, tid, NT_X86_XSTATE, image, &size);
  return error != 0 ? error : (int)size;
}

int ptrace_get_fp(int32_t id, uint8_t *to) {
  struct context *c = &P.contexts[id];
  if (P.spaces[c->space].dead) return -ESRCH;
  uint8_t image[XSTATE_MAX];
  int size = read_xstate(c->tid, image);
  if (size < 0) return size;
  memcpy(to, image, P.fp_size);
  xstate_clean(to);
  return 0;
}

int ptrace_set_fp(int32_t id, const uint8_t *from) {
  struct context *c = &P.contexts[id];
  if (P.spaces[c->space].dead) return -ESRCH;
  uint8_t image[XSTATE_MAX];
  int size = read_xstate(c->tid, image); /* for the size, and for what lies behind our part */
  if (size < 0) return size;
  size_t length = (size_t)size;
  if (length < P.fp_size) return -EINVAL;
  uint8_t extra[48];
  memcpy(extra, image + EXTRA_OFFSET, sizeof(extra));
  memcpy(image, from, P.fp_size);
  xstate_clean(image);
  memcpy(image + EXTRA_OFFSET, extra, sizeof(extra));
  return get_set(PTRACE_SETREGSET, c->tid, NT_X86_XSTATE, image, &length);
}

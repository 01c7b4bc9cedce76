/* The platforms' functions for JavaScript: src/platform/stub/native.unsafe.ts says what each does. */
#include "platform.h"

#include <cpuid.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

/* What a batch entry from JavaScript is made of. */
#define OP_WORDS 6
#define MAP_OP_SHARED 8
#define MAP_OP_POPULATE 16
#define OPS_CAPACITY 4096
/* Fds below are the stubs' own and never mapped for a guest. */
#define FIRST_DONATED 4

/* Translates and checks one operation from JavaScript. */
static int put_js_op(struct space *space, int i, const double *op) {
  int kind = (int)op[0];
  uint64_t addr = (uint64_t)op[1], len = (uint64_t)op[2];
  switch (kind) {
  case OP_CLEAR: /* windows and all */
    put_op(space, i, SYS_munmap, 0, STUB_BASE, 0, 0, 0, 0);
    return 0;
  case OP_CLOSE_WINDOWS:
    put_op(space, i, SYS_munmap, STUB_WINDOW, STUB_WINDOW_END - STUB_WINDOW, 0, 0, 0, 0);
    return 0;
  case OP_WINDOW: {
    uint64_t fd = (uint64_t)op[3], offset = (uint64_t)op[4];
    if (fd < FIRST_DONATED || ((addr | len | offset) & (WINDOW_CHUNK - 1)) != 0 || len == 0 || addr < STUB_WINDOW ||
        addr >= STUB_WINDOW_END || len > STUB_WINDOW_END - addr)
      return -EINVAL;
    put_op(space, i, SYS_mmap, addr, len, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_SHARED, fd, offset);
    return 0;
  }
  default:
    break;
  }
  if (((addr | len) & 4095) != 0 || len == 0 || addr < GUEST_MIN || len > GUEST_MAX || addr > GUEST_MAX - len)
    return -EINVAL;
  switch (kind) {
  case OP_MAP: {
    uint64_t fd = (uint64_t)op[3], offset = (uint64_t)op[4];
    unsigned flags = (unsigned)op[5];
    if (fd < FIRST_DONATED || (offset & 4095) != 0) return -EINVAL;
    put_op(space, i, SYS_mmap, addr, len, flags & 7,
           MAP_FIXED | ((flags & MAP_OP_SHARED) != 0 ? MAP_SHARED : MAP_PRIVATE) |
               ((flags & MAP_OP_POPULATE) != 0 ? MAP_POPULATE : 0),
           fd, offset);
    return 0;
  }
  case OP_UNMAP:
    put_op(space, i, SYS_munmap, addr, len, 0, 0, 0, 0);
    return 0;
  case OP_PROTECT:
    put_op(space, i, SYS_mprotect, addr, len, (unsigned)op[3] & 7, 0, 0, 0);
    return 0;
  case OP_HUGE:
    put_op(space, i, SYS_madvise, addr, len, MADV_HUGEPAGE, 0, 0, 0);
    return 0;
  case OP_MOVE: {
    uint64_t to = (uint64_t)op[3];
    if ((to & 4095) != 0 || to < GUEST_MIN || to > GUEST_MAX - len) return -EINVAL;
    put_op(space, i, SYS_mremap, addr, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to, 0);
    return 0;
  }
  default:
    return -EINVAL;
  }
}

/* platformStart(kind, stubFd): 0 or -errno. */
static napi_value js_start(napi_env env, napi_callback_info info) {
  ARGS(2);
  ARG_I32(kind, 0);
  ARG_I32(stub_fd, 1);
  if (P.up) return ret(env, -EBUSY);
  int error = stub_start(kind == 1 ? PTRACE : SYSTRAP, stub_fd);
  if (error != 0) stub_stop();
  return ret(env, error);
}

static napi_value js_stop(napi_env env, napi_callback_info info) {
  (void)info;
  if (P.up) stub_stop();
  return ret(env, 0);
}

/* platformNewSpace(): its index or -errno. */
static napi_value js_new_space(napi_env env, napi_callback_info info) {
  (void)info;
  return ret(env, P.up ? fork_space() : -EAGAIN);
}

static bool space_valid(int32_t index) { return index > 0 && index < P.space_count && P.spaces[index].used && !P.spaces[index].released; }

#define ARG_SPACE(name, i)                                                                                             \
  ARG_I32(name, i);                                                                                                    \
  if (!P.up || !space_valid(name)) return bad_range(env)
#define ARG_CONTEXT(name, i)                                                                                           \
  ARG_I32(name, i);                                                                                                    \
  if (!P.up || name < 0 || name >= P.context_count) return bad_range(env)
#define ARG_STOPPED(name, i)                                                                                           \
  ARG_CONTEXT(name, i);                                                                                                \
  if (P.contexts[name].status != CTX_STOPPED) return ret(env, -EBUSY)

static napi_value js_release_space(napi_env env, napi_callback_info info) {
  ARGS(1);
  ARG_SPACE(index, 0);
  release_space(index);
  return ret(env, 0);
}

/* platformFlush(space, count): performs the first `count` operations of the ops array, all of them. 0 or the first -errno. */
static napi_value js_flush(napi_env env, napi_callback_info info) {
  ARGS(2);
  ARG_SPACE(index, 0);
  ARG_I32(count, 1);
  if (count < 0 || count > OPS_CAPACITY) return bad_range(env);
  struct space *space = &P.spaces[index];
  int first_error = 0;
  batch_settle(space);
  for (int done = 0; done < count;) {
    int n = batch_start(space);
    for (; n < CMD_MAX_OPS && done < count; done++) {
      int error = put_js_op(space, n, P.ops + (size_t)done * OP_WORDS);
      if (error == 0)
        n++;
      else if (first_error == 0)
        first_error = error;
    }
    int error = run_batch(space, n);
    int failed = thread_started(space, error);
    if (first_error == 0) first_error = failed != 0 ? failed : error;
  }
  return ret(env, first_error);
}

static napi_value js_new_context(napi_env env, napi_callback_info info) {
  ARGS(1);
  ARG_SPACE(index, 0);
  return ret(env, new_context(index));
}

/*
 * platformResumeNext(): the context in counts[2], if it is stopped; its thread first executes counts[3] operations out of the ops
 * array, BATCH_WORDS each. Arguments and a result would take as long as the rest.
 */
static napi_value js_resume_next(napi_env env, napi_callback_info info) {
  (void)env;
  (void)info;
  int32_t id = P.up ? P.counts[2] : -1, calls = P.counts[3];
  if (id < 0 || id >= P.context_count || P.contexts[id].status != CTX_STOPPED) return NULL;
  /* Without its mappings it must not run. */
  if (calls != 0 && (calls < 0 || calls > BATCH_MAX || batch_give(id, P.ops, calls) != 0)) doom(&P.spaces[P.contexts[id].space]);
  if (P.kind == SYSTRAP)
    systrap_resume(id);
  else
    ptrace_resume(id);
  return NULL;
}

/* platformComplete(id): the registers that CTX_PARTIAL says are missing. */
static napi_value js_complete(napi_env env, napi_callback_info info) {
  ARGS(1);
  ARG_STOPPED(id, 0);
  if (words_of(id)[CTX_PARTIAL]) systrap_complete(id);
  return ret(env, 0);
}

/* platformWakeEarly(ringer, id): 1 or 0; platformWakeNot(id): wake.c. */
static napi_value js_wake_early(napi_env env, napi_callback_info info) {
  ARGS(2);
  ARG_CONTEXT(ringer, 0);
  ARG_CONTEXT(id, 1);
  return ret(env, wake_early(ringer, id));
}

static napi_value js_wake_not(napi_env env, napi_callback_info info) {
  ARGS(1);
  ARG_CONTEXT(id, 0);
  wake_not(id);
  return ret(env, 0);
}

static napi_value js_interrupt(napi_env env, napi_callback_info info) {
  ARGS(1);
  ARG_CONTEXT(id, 0);
  struct context *c = &P.contexts[id];
  if (c->status != CTX_RUNNING || P.spaces[c->space].dead) return ret(env, 0);
  if (c->interrupt_ns == 0) c->interrupt_ns = now_ns();
  send_interrupt(id);
  return ret(env, 0);
}

static napi_value js_release_context(napi_env env, napi_callback_info info) {
  ARGS(1);
  ARG_STOPPED(id, 0);
  make_idle(id);
  return ret(env, 0);
}

static int get_fp(int32_t id, uint8_t *to) { return P.kind == SYSTRAP ? systrap_get_fp(id, to) : ptrace_get_fp(id, to); }
static int set_fp(int32_t id, const uint8_t *from) {
  return P.kind == SYSTRAP ? systrap_set_fp(id, from) : ptrace_set_fp(id, from);
}

static napi_value js_get_fp(napi_env env, napi_callback_info info) {
  ARGS(3);
  ARG_STOPPED(id, 0);
  ARG_U8S(buf, 1);
  ARG_I64(off, 2);
  CHECK_RANGE(off, (int64_t)P.fp_size, buf_len);
  return ret(env, get_fp(id, buf + off));
}

static napi_value js_set_fp(napi_env env, napi_callback_info info) {
  ARGS(3);
  ARG_STOPPED(id, 0);
  ARG_U8S(buf, 1);
  ARG_I64(off, 2);
  CHECK_RANGE(off, (int64_t)P.fp_size, buf_len);
  uint8_t image[AREA_SIZE];
  memcpy(image, buf + off, P.fp_size); /* once: the guest may write the original */
  if (!xstate_valid(image)) return ret(env, -EINVAL);
  return ret(env, set_fp(id, image));
}

static napi_value js_copy_fp(napi_env env, napi_callback_info info) {
  ARGS(2);
  ARG_STOPPED(from, 0);
  ARG_STOPPED(to, 1);
  uint8_t image[AREA_SIZE];
  int error = get_fp(from, image);
  return ret(env, error != 0 ? error : set_fp(to, image));
}

static napi_value js_reset_fp(napi_env env, napi_callback_info info) {
  ARGS(1);
  ARG_STOPPED(id, 0);
  return ret(env, reset_fp(id));
}

/* platformDonate(fd): the fd's number in the stubs' table, or -errno. */
static napi_value js_donate(napi_env env, napi_callback_info info) {
  ARGS(1);
  ARG_I32(fd, 0);
  if (!P.up) return ret(env, -EAGAIN);
  struct space *template = &P.spaces[0];
  /* The receiving side's msghdr lies in the template's result page, which no guest has. */
  struct message {
    struct msghdr header;
    struct iovec iov;
    char byte[8];
    char control[CMSG_SPACE(sizeof(int))];
  } *message = (struct message *)((uint8_t *)result_page(template) + RES_MSG);
  uint64_t address = STUB_RES + RES_MSG;
  char byte = 0;
  char control[CMSG_SPACE(sizeof(int))] = {0};
  struct iovec iov = {&byte, 1};
  struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
  struct cmsghdr *cmsg = CMSG_FIRSTHDR(&header);
  cmsg->cmsg_level = SOL_SOCKET;
  cmsg->cmsg_type = SCM_RIGHTS;
  cmsg->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
  int64_t sent = RETRY(sendmsg(P.socket_fd, &header, MSG_NOSIGNAL));
  if (sent < 0) return ret(env, sent);
  memset(message, 0, sizeof(*message));
  message->header.msg_iov = (void *)(address + offsetof(struct message, iov));
  message->header.msg_iovlen = 1;
  message->header.msg_control = (void *)(address + offsetof(struct message, control));
  message->header.msg_controllen = sizeof(message->control);
  message->iov.iov_base = (void *)(address + offsetof(struct message, byte));
  message->iov.iov_len = 1;
  put_op(template, 0, SYS_recvmsg, STUB_FD_SOCKET, address, MSG_CMSG_CLOEXEC, 0, 0, 0);
  int error = run_batch(template, 1);
  if (error != 0) return ret(env, error);
  struct cmsghdr *received = (struct cmsghdr *)message->control;
  if (message->header.msg_controllen < sizeof(struct cmsghdr) || received->cmsg_type != SCM_RIGHTS)
    return ret(env, -EMFILE);
  int number;
  memcpy(&number, CMSG_DATA(received), sizeof(int));
  return ret(env, number);
}

static napi_value js_forget(napi_env env, napi_callback_info info) {
  ARGS(1);
  ARG_I32(number, 0);
  if (!P.up || number < FIRST_DONATED) return ret(env, -EINVAL);
  put_op(&P.spaces[0], 0, SYS_close, (uint64_t)number, 0, 0, 0, 0, 0);
  return ret(env, run_batch(&P.spaces[0], 1));
}

/*
 * platformFacts(id, pid, tid, ppid, uid, euid, gid, egid, defaultsLo, defaultsHi): what the stub may answer by itself; pid 0:
 * nothing.
 */
#define FACTS 9
static napi_value js_facts(napi_env env, napi_callback_info info) {
  ARGS(1 + FACTS);
  ARG_CONTEXT(id, 0);
  uint32_t values[FACTS];
  for (int i = 0; i < FACTS; i++)
    if (napi_get_value_uint32(env, argv[i + 1], &values[i]) != napi_ok) return bad_range(env);
  struct context *c = &P.contexts[id];
  if (c->status != CTX_STOPPED && c->status != CTX_RUNNING) return ret(env, -EBUSY);
  struct facts *facts = &area_of(c)->facts;
  /* The thread may be running: each value changes by itself, as it does in Linux. */
  uint32_t *to[FACTS] = {
      &facts->pid,  &facts->tid,  &facts->ppid,        &facts->uid,         &facts->euid,
      &facts->gid,  &facts->egid, &facts->defaults[0], &facts->defaults[1],
  };
  for (int i = 0; i < FACTS; i++) __atomic_store_n(to[i], values[i], __ATOMIC_RELAXED);
  __atomic_store_n(&facts->valid, values[0] != 0, __ATOMIC_RELEASE);
  return ret(env, 0);
}

/*
 * platformAffinity(id, mask): the thread may only use these of our CPUs, bit n for the n-th; an empty mask for all of them.
 */
static napi_value js_affinity(napi_env env, napi_callback_info info) {
  ARGS(2);
  ARG_CONTEXT(id, 0);
  ARG_U32S(mask, 1);
  struct context *c = &P.contexts[id];
  if (c->status != CTX_STOPPED && c->status != CTX_RUNNING) return ret(env, -EBUSY);
  if (c->unborn) {
    int error = start_thread(&P.spaces[c->space]);
    if (error < 0) return ret(env, error);
  }
  if (P.kind == SYSTRAP && c->starting) {
    /* A new thread chooses its CPUs by itself first. */
    if (c->status == CTX_RUNNING) return ret(env, -EAGAIN);
    int error = systrap_ready(id);
    if (error < 0) return ret(env, error);
  }
  if (mask_len == 0) return ret(env, use_every_cpu(c));
  cpu_set_t set;
  CPU_ZERO(&set);
  size_t n = 0;
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (!CPU_ISSET(cpu, &P.cpu_set)) continue;
    if (n / 32 < mask_len && (mask[n / 32] >> (n % 32) & 1) != 0) CPU_SET(cpu, &set);
    n++;
  }
  if (sched_setaffinity(c->tid, sizeof(set), &set) != 0) return ret(env, -errno);
  c->own_cpus = true;
  return ret(env, 0);
}

static void *share(napi_env env, napi_value array, uint32_t index, void *old, size_t size) {
  void *memory = old != NULL ? old
                             : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return NULL;
  napi_value buffer;
  if (napi_create_external_arraybuffer(env, memory, size, NULL, NULL, &buffer) == napi_ok)
    napi_set_element(env, array, index, buffer);
  return memory;
}

void shared_keep(struct shared *kept) { *kept = (struct shared){P.regs, P.stopped, P.ready, P.counts, P.ops}; }

static void clear(void *memory, size_t size) {
  if (memory != NULL) madvise(memory, size, MADV_DONTNEED);
}

void shared_restore(const struct shared *kept) {
  P.regs = kept->regs;
  P.stopped = kept->stopped;
  P.ready = kept->ready;
  P.counts = kept->counts;
  P.times = P.counts == NULL ? NULL : (double *)(P.counts + 4);
  P.ops = kept->ops;
  clear(P.regs, (size_t)MAX_CONTEXTS * CTX_WORDS * 4);
  clear(P.stopped, MAX_CONTEXTS * 4);
  clear(P.ready, MAX_READY * 8);
  clear(P.counts, 4096);
  clear(P.ops, (size_t)OPS_CAPACITY * OP_WORDS * 8);
}

/* platformShared(): the ArrayBuffers regs, stopped, ready, counts, ops. Once for each process. */
static napi_value js_shared(napi_env env, napi_callback_info info) {
  (void)info;
  napi_value array;
  napi_create_array(env, &array);
  if (P.regs != NULL) return array;
  P.regs = share(env, array, 0, P.regs, (size_t)MAX_CONTEXTS * CTX_WORDS * 4);
  P.stopped = share(env, array, 1, P.stopped, MAX_CONTEXTS * 4);
  P.ready = share(env, array, 2, P.ready, MAX_READY * 8);
  P.counts = share(env, array, 3, P.counts, 4096);
  P.times = P.counts == NULL ? NULL : (double *)(P.counts + 4);
  P.ops = share(env, array, 4, P.ops, (size_t)OPS_CAPACITY * OP_WORDS * 8);
  return array;
}

static bool has_protection_keys(void) {
  uint32_t a, b, c, d;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (c & bit_OSPKE) != 0;
}

/* platformFact(n): 0 guest minimum, 1 guest maximum, 2 FP bytes, 3 whether FSGSBASE may be used, 5 where trampolines
 * of patched call sites jump (0: no patching), 6 where windows may be (0: no batches for threads), 7 the end of that,
 * 8 whether what may only be executed cannot be read (the processor has protection keys, and the host uses them). */
static napi_value js_fact(napi_env env, napi_callback_info info) {
  ARGS(1);
  ARG_I32(n, 0);
  switch (n) {
  case 0:
    return ret(env, GUEST_MIN);
  case 1:
    return ret(env, GUEST_MAX);
  case 2:
    return ret(env, P.fp_size);
  case 3:
    return ret(env, (getauxval(AT_HWCAP2) & 2) != 0);
  case 4:
    return ret(env, P.running_count);
  case 6:
    return ret(env, P.kind == SYSTRAP ? STUB_WINDOW : 0);
  case 7:
    return ret(env, STUB_WINDOW_END);
  case 8:
    return ret(env, has_protection_keys());
  case 5:
    return ret(env, P.kind == SYSTRAP && P.xsave ? (double)STUB_CALL_ENTRY : 0);
  default:
    return ret(env, -EINVAL);
  }
}

/* platformSpacePid(space), platformContextTid(id): for tests and for accounting. */
static napi_value js_space_pid(napi_env env, napi_callback_info info) {
  ARGS(1);
  ARG_SPACE(index, 0);
  return ret(env, P.spaces[index].pid);
}

/* platformCpuTime(space, which): CPU time of the process since the address space began, ns, or -errno. */
static napi_value js_cpu_time(napi_env env, napi_callback_info info) {
  ARGS(2);
  ARG_SPACE(index, 0);
  ARG_I32(which, 1);
  if (which < 0 || which >= CPU_CLOCKS) return bad_range(env);
  int64_t now = cpu_clock(&P.spaces[index], which);
  return ret(env, now < 0 ? now : now - P.spaces[index].cpu_before[which]);
}

void stub_register(napi_env env, napi_value exports);

void stub_register(napi_env env, napi_value exports) {
  static const struct method methods[] = {
      {"platformStart", js_start},
      {"platformStop", js_stop},
      {"platformShared", js_shared},
      {"platformFact", js_fact},
      {"platformNewSpace", js_new_space},
      {"platformReleaseSpace", js_release_space},
      {"platformSpacePid", js_space_pid},
      {"platformCpuTime", js_cpu_time},
      {"platformFlush", js_flush},
      {"platformNewContext", js_new_context},
      {"platformResumeNext", js_resume_next},
      {"platformComplete", js_complete},
      {"platformInterrupt", js_interrupt},
      {"platformWakeEarly", js_wake_early},
      {"platformWakeNot", js_wake_not},
      {"platformReleaseContext", js_release_context},
      {"platformGetFp", js_get_fp},
      {"platformSetFp", js_set_fp},
      {"platformCopyFp", js_copy_fp},
      {"platformResetFp", js_reset_fp},
      {"platformAffinity", js_affinity},
      {"platformDonate", js_donate},
      {"platformForget", js_forget},
      {"platformFacts", js_facts},
  };
  DEFINE_METHODS(env, exports, methods);
}

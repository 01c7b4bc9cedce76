/*
 * A channel: memory that the Sentry and a gofer share, through which one request at a time and its reply go.
 *
 * Both sleep in futex calls, and the gofer does so on the CPU that the Sentry last used: a request is then two switches on one
 * CPU, where a sleeper on another CPU would first have to be woken up, which takes ten times as long on a virtual machine. The
 * gofer waits here for a bounded time; then the channel is cold, and the Sentry has to send its request in another way.
 *
 * Who is woken up on one's own CPU mostly takes it at once, and whoever woke him up has not come to sleep yet when the answer is
 * there. So each side says when it is about to sleep, and is woken up only then: most requests are two futex calls, not four.
 *
 * Each side copies what it finds once, to memory of its own, before it looks at it. All lengths are checked.
 */
#include "platform.h"

#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Values of `state`. */
enum { COLD, WAITING, REQUESTED };

/* At the start of the memory; the message is behind it. The indices of `connection` and `has_fd` are known to TypeScript. */
struct channel {
  uint32_t state;
  uint32_t connection; /* which one of the gofer's the request is for */
  uint32_t has_fd;     /* a descriptor for the reply comes on that connection's socket */
  uint32_t len;        /* of the message */
  uint32_t cpu;        /* where the Sentry was when it sent the request */
  uint32_t sentry_sleeps; /* or is about to; 0: it need not be woken up */
  uint32_t gofer_sleeps;  /* the same of the gofer */
  uint32_t unused[9];
  uint8_t message[];
};

/* The CPU that this thread keeps to, or -1; and all that it may use else. */
static int own_cpu = -1;
static cpu_set_t all_cpus;

#define LOAD(p) __atomic_load_n(p, __ATOMIC_SEQ_CST)
#define STORE(p, value) __atomic_store_n(p, value, __ATOMIC_SEQ_CST)

/* Sleeps unless the state has changed; `sleeps` is what the other side is told about that. */
static long wait_while(uint32_t *state, uint32_t value, uint32_t *sleeps, int64_t ns) {
  struct timespec limit = {ns / 1000000000, ns % 1000000000};
  STORE(sleeps, 1);
  long result = RESULT(syscall(SYS_futex, state, FUTEX_WAIT, value, &limit, NULL, 0));
  STORE(sleeps, 0);
  return result;
}

/* After the state was changed: whoever is not said to sleep will see that before he does. */
static void wake(uint32_t *state, const uint32_t *sleeps) {
  if (LOAD(sleeps) != 0) syscall(SYS_futex, state, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static bool change(uint32_t *state, uint32_t from, uint32_t to) {
  return __atomic_compare_exchange_n(state, &from, to, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* Copies the message out; its length, or -EMSGSIZE. */
static int64_t take(const struct channel *c, size_t size, uint8_t *to, size_t to_len) {
  size_t len = __atomic_load_n(&c->len, __ATOMIC_RELAXED);
  if (len > size - sizeof(*c) || len > to_len) return -EMSGSIZE;
  memcpy(to, c->message, len);
  return (int64_t)len;
}

#define ARG_CHANNEL(name, i)                                                                                           \
  ARG_U8S(name##_bytes, i);                                                                                            \
  if (name##_bytes_len < sizeof(struct channel)) return bad_range(env);                                                \
  struct channel *name = (struct channel *)(void *)name##_bytes;                                                       \
  size_t name##_size = name##_bytes_len

/*
 * channelRequest(memory, connection, request, len, reply, waitNs): sends a request and waits for its reply, the length of which it
 * returns. -EAGAIN: nobody waits for a request here; -ETIMEDOUT: no reply yet, a call with len = 0 waits on.
 */
static napi_value js_channel_request(napi_env env, napi_callback_info info) {
  ARGS(6);
  ARG_CHANNEL(c, 0);
  ARG_U32(connection, 1);
  ARG_U8S(request, 2);
  ARG_I64(len, 3);
  ARG_U8S(reply, 4);
  ARG_I64(wait_ns, 5);
  CHECK_RANGE(0, len, request_len);
  if (len > 0) {
    if ((size_t)len > c_size - sizeof(*c) || LOAD(&c->state) != WAITING) return ret(env, -EAGAIN);
    memcpy(c->message, request, (size_t)len);
    c->len = (uint32_t)len;
    c->connection = connection;
    c->has_fd = 0;
    int cpu = stay();
    c->cpu = (uint32_t)(cpu >= 0 ? cpu : sched_getcpu());
    if (!change(&c->state, WAITING, REQUESTED)) return ret(env, -EAGAIN);
    wake(&c->state, &c->gofer_sleeps);
  }
  while (LOAD(&c->state) == REQUESTED)
    if (wait_while(&c->state, REQUESTED, &c->sentry_sleeps, wait_ns) == -ETIMEDOUT && LOAD(&c->state) == REQUESTED)
      return ret(env, -ETIMEDOUT);
  return ret(env, take(c, c_size, reply, reply_len));
}

/* Moves this thread to the CPU from which the request came. */
static void follow(uint32_t cpu) {
  if ((int)cpu == own_cpu || cpu >= CPU_SETSIZE) return;
  if (own_cpu < 0 && sched_getaffinity(0, sizeof(all_cpus), &all_cpus) != 0) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (sched_setaffinity(0, sizeof(set), &set) == 0) own_cpu = (int)cpu;
}

static void roam(void) {
  if (own_cpu >= 0) sched_setaffinity(0, sizeof(all_cpus), &all_cpus);
  own_cpu = -1;
}

/* channelOpen(memory): requests may come here from now on; who has said so waits for them, and soon. */
static napi_value js_channel_open(napi_env env, napi_callback_info info) {
  ARGS(1);
  ARG_CHANNEL(c, 0);
  (void)c_size;
  return ret(env, change(&c->state, COLD, WAITING) ? 0 : -EBUSY);
}

/*
 * channelNext(memory, reply, len, request, waitNs): gives the reply to the last request (len = 0: there was none) and waits for the
 * next one, the length of which it returns. 0: none came, the channel is cold.
 */
static napi_value js_channel_next(napi_env env, napi_callback_info info) {
  ARGS(5);
  ARG_CHANNEL(c, 0);
  ARG_U8S(reply, 1);
  ARG_I64(len, 2);
  ARG_U8S(request, 3);
  ARG_I64(wait_ns, 4);
  CHECK_RANGE(0, len, reply_len);
  if (len > 0) {
    if ((size_t)len > c_size - sizeof(*c)) return ret(env, -EMSGSIZE);
    memcpy(c->message, reply, (size_t)len);
    c->len = (uint32_t)len;
    STORE(&c->state, WAITING);
    wake(&c->state, &c->sentry_sleeps);
  }
  while (LOAD(&c->state) == WAITING) {
    if (wait_while(&c->state, WAITING, &c->gofer_sleeps, wait_ns) != -ETIMEDOUT || !change(&c->state, WAITING, COLD)) continue;
    roam();
    return ret(env, 0);
  }
  if (LOAD(&c->state) != REQUESTED) return ret(env, -EPROTO);
  follow(__atomic_load_n(&c->cpu, __ATOMIC_RELAXED));
  return ret(env, take(c, c_size, request, request_len));
}

void channel_register(napi_env env, napi_value exports);

void channel_register(napi_env env, napi_value exports) {
  static const struct method methods[] = {
      {"channelRequest", js_channel_request},
      {"channelOpen", js_channel_open},
      {"channelNext", js_channel_next},
  };
  DEFINE_METHODS(env, exports, methods);
}

/* Clocks, the time-stamp counter, and random bytes. */
#include "addon.h"

#include <sys/random.h>
#include <time.h>
#include <x86intrin.h>

/*
 * Nanoseconds as a double: exact for clocks that started with the machine (104 days below 2^53), to 256 ns for the
 * real-time clock; tscSample gives that one exactly.
 */
static napi_value js_clock_ns(napi_env env, napi_callback_info info) {
  ARGS(1);
  ARG_I32(clock, 0);
  struct timespec now;
  if (clock_gettime(clock, &now) == -1) return ret(env, -errno);
  return ret_f64(env, (double)((int64_t)now.tv_sec * 1000000000 + now.tv_nsec));
}

#define TSC_TRIES 8

static void put_u64(uint32_t *out, uint64_t value) {
  out[0] = (uint32_t)value;
  out[1] = (uint32_t)(value >> 32);
}

/* The tightest of a few samples; the result is its width in TSC ticks: how far the three values may be apart. */
static napi_value js_tsc_sample(napi_env env, napi_callback_info info) {
  ARGS(1);
  ARG_U32S(out, 0);
  if (out_len < 6) return bad_range(env);
  uint64_t best = UINT64_MAX;
  for (int i = 0; i < TSC_TRIES; i++) {
    struct timespec mono, real;
    _mm_lfence();
    uint64_t before = __rdtsc();
    _mm_lfence();
    clock_gettime(CLOCK_MONOTONIC, &mono);
    clock_gettime(CLOCK_REALTIME, &real);
    _mm_lfence();
    uint64_t after = __rdtsc();
    _mm_lfence();
    if (after - before >= best) continue;
    best = after - before;
    put_u64(out, before + best / 2);
    put_u64(out + 2, (uint64_t)mono.tv_sec * 1000000000 + (uint64_t)mono.tv_nsec);
    put_u64(out + 4, (uint64_t)real.tv_sec * 1000000000 + (uint64_t)real.tv_nsec);
  }
  return ret(env, best > INT32_MAX ? INT32_MAX : (int64_t)best);
}

/* Fills all `len` bytes. */
static napi_value js_getrandom(napi_env env, napi_callback_info info) {
  ARGS(3);
  ARG_U8S(buf, 0);
  ARG_I64(off, 1);
  ARG_I64(len, 2);
  CHECK_RANGE(off, len, buf_len);
  int64_t filled = 0;
  while (filled < len) {
    int64_t result = RETRY(getrandom(buf + off + filled, (size_t)(len - filled), 0));
    if (result < 0) return ret(env, result);
    filled += result;
  }
  return ret(env, len);
}

void clock_register(napi_env env, napi_value exports) {
  static const struct method methods[] = {
      {"clockNs", js_clock_ns},
      {"tscSample", js_tsc_sample},
      {"getrandom", js_getrandom},
  };
  DEFINE_METHODS(env, exports, methods);
}

/* Decodes and performs the steps between clone and exec. Each is one system call, see its man page. */
#include "steps.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum op {
  OP_MOUNT,
  OP_UMOUNT,
  OP_MOUNT_SETATTR,
  OP_PIVOT_ROOT,
  OP_CHROOT,
  OP_CHDIR,
  OP_MKDIR,
  OP_SETHOSTNAME,
  OP_UNSHARE,
  OP_SETNS,
  OP_PRCTL,
  OP_SETGROUPS,
  OP_SETRESGID,
  OP_SETRESUID,
  OP_CAPSET,
  OP_SETRLIMIT,
  OP_SETSID,
  OP_SETPGID,
  OP_IOCTL,
  OP_DUP,
  OP_CLOSE_RANGE,
  OP_WRITEFILE,
  OP_SIGMASK_EMPTY,
  OP_SECCOMP,
  OP_SCHED_SETAFFINITY,
  OP_COUNT,
};

/* What a step's object holds besides `op`: members that are strings, and members that are numbers or booleans. */
static const struct {
  const char *name;
  const char *strings[STEP_STRINGS];
  const char *numbers[STEP_NUMBERS];
} ops[OP_COUNT] = {
    [OP_MOUNT] = {"mount", {"source", "target", "fstype", "data"}, {"flags"}},
    [OP_UMOUNT] = {"umount", {"target"}, {"flags"}},
    [OP_MOUNT_SETATTR] = {"mount_setattr", {"path"}, {"flags", "set", "clear"}},
    [OP_PIVOT_ROOT] = {"pivot_root", {"newRoot", "putOld"}, {0}},
    [OP_CHROOT] = {"chroot", {"path"}, {0}},
    [OP_CHDIR] = {"chdir", {"path"}, {0}},
    [OP_MKDIR] = {"mkdir", {"path"}, {"mode", "ignoreExists"}},
    [OP_SETHOSTNAME] = {"sethostname", {"name"}, {0}},
    [OP_UNSHARE] = {"unshare", {0}, {"flags"}},
    [OP_SETNS] = {"setns", {0}, {"fd", "nstype"}},
    [OP_PRCTL] = {"prctl", {0}, {"option", "arg2", "arg3", "arg4", "arg5"}},
    [OP_SETGROUPS] = {"setgroups", {0}, {0}},
    [OP_SETRESGID] = {"setresgid", {0}, {"gid"}},
    [OP_SETRESUID] = {"setresuid", {0}, {"uid"}},
    [OP_CAPSET] = {"capset", {0}, {0}}, /* five CapPair members, see decode_caps */
    [OP_SETRLIMIT] = {"setrlimit", {0}, {"resource", "soft", "hard"}},
    [OP_SETSID] = {"setsid", {0}, {0}},
    [OP_SETPGID] = {"setpgid", {0}, {0}},
    [OP_IOCTL] = {"ioctl", {0}, {"fd", "request", "arg"}},
    [OP_DUP] = {"dup", {0}, {"from", "to"}},
    [OP_CLOSE_RANGE] = {"close_range", {0}, {"first", "last"}},
    [OP_WRITEFILE] = {"writefile", {"path", "text"}, {0}},
    [OP_SIGMASK_EMPTY] = {"sigmask_empty", {0}, {0}},
    [OP_SECCOMP] = {"seccomp", {0}, {"flags"}},
    [OP_SCHED_SETAFFINITY] = {"sched_setaffinity", {0}, {0}},
};

/* --- decoding --- */

/* A number above the range of int64_t, Infinity before all, becomes INT64_MAX: the resource limits' "no limit". */
static bool decode_number(napi_env env, napi_value object, const char *name, int64_t *out) {
  double value;
  bool flag;
  if (member_f64(env, object, name, &value)) {
    if (isnan(value) || value < -9.2e18) return false;
    *out = value > 9.2e18 ? INT64_MAX : (int64_t)value;
    return true;
  }
  if (!member_bool(env, object, name, &flag)) return false;
  *out = flag;
  return true;
}

static bool decode_list(napi_env env, napi_value object, const char *name, struct step *step) {
  napi_value array;
  uint32_t count;
  if (!member(env, object, name, &array) || napi_get_array_length(env, array, &count) != napi_ok) return false;
  int32_t *list = malloc((count + 1) * sizeof(*list));
  if (list == NULL) return false;
  step->memory = list;
  step->memory_len = count;
  return get_i32_list(env, array, list, count) == (int)count;
}

/* numbers[2i], numbers[2i+1]: low and high half of the five sets, in the order of host.ts. */
static bool decode_caps(napi_env env, napi_value object, struct step *step) {
  static const char *const names[] = {"effective", "permitted", "inheritable", "ambient", "bounding"};
  for (int i = 0; i < 5; i++) {
    napi_value pair;
    uint32_t lo, hi;
    if (!member(env, object, names[i], &pair) || !member_u32(env, pair, "lo", &lo) || !member_u32(env, pair, "hi", &hi))
      return false;
    step->numbers[2 * i] = lo;
    step->numbers[2 * i + 1] = hi;
  }
  return true;
}

static bool decode_program(napi_env env, napi_value object, struct step *step) {
  napi_value array;
  napi_typedarray_type type;
  size_t len;
  void *data;
  if (!member(env, object, "program", &array) ||
      napi_get_typedarray_info(env, array, &type, &len, &data, NULL, NULL) != napi_ok || type != napi_uint8_array ||
      len == 0 || len % sizeof(struct sock_filter) != 0 || len / sizeof(struct sock_filter) > BPF_MAXINSNS)
    return false;
  step->memory = malloc(len);
  if (step->memory == NULL) return false;
  memcpy(step->memory, data, len);
  step->memory_len = len / sizeof(struct sock_filter);
  return true;
}

static bool decode(napi_env env, napi_value object, struct step *step) {
  napi_value value;
  char name[24];
  if (!member(env, object, "op", &value) || get_latin1(env, value, name, sizeof(name)) < 0) return false;
  for (step->op = 0; step->op < OP_COUNT; step->op++)
    if (strcmp(ops[step->op].name, name) == 0) break;
  if (step->op == OP_COUNT) return false;
  for (int i = 0; i < STEP_STRINGS && ops[step->op].strings[i] != NULL; i++) {
    if (!member(env, object, ops[step->op].strings[i], &value) || get_latin1_alloc(env, value, &step->strings[i]) < 0)
      return false;
  }
  for (int i = 0; i < STEP_NUMBERS && ops[step->op].numbers[i] != NULL; i++)
    if (!decode_number(env, object, ops[step->op].numbers[i], &step->numbers[i])) return false;
  switch (step->op) {
    case OP_SETGROUPS: return decode_list(env, object, "groups", step);
    case OP_SCHED_SETAFFINITY: return decode_list(env, object, "cpus", step);
    case OP_CAPSET: return decode_caps(env, object, step);
    case OP_SECCOMP: return decode_program(env, object, step);
    default: return true;
  }
}

bool steps_decode(napi_env env, napi_value array, struct steps *steps) {
  uint32_t count;
  steps->list = NULL;
  steps->count = 0;
  if (napi_get_array_length(env, array, &count) != napi_ok) {
    napi_throw_type_error(env, NULL, "steps must be an array");
    return false;
  }
  steps->list = calloc(count + 1, sizeof(*steps->list));
  if (steps->list == NULL) return false;
  for (uint32_t i = 0; i < count; i++) {
    napi_value object;
    steps->count = i + 1;
    if (napi_get_element(env, array, i, &object) != napi_ok || !decode(env, object, &steps->list[i])) {
      char message[64];
      snprintf(message, sizeof(message), "step %u is malformed", i);
      napi_throw_type_error(env, NULL, message);
      return false;
    }
  }
  return true;
}

void steps_free(struct steps *steps) {
  for (size_t i = 0; i < steps->count; i++) {
    for (int j = 0; j < STEP_STRINGS; j++) free(steps->list[i].strings[j]);
    free(steps->list[i].memory);
  }
  free(steps->list);
  steps->list = NULL;
  steps->count = 0;
}

/* --- performing --- */

static int done(long result) { return result == -1 ? -errno : 0; }

/* mount(2) takes NULL where a string does not matter. */
static const char *or_null(const char *string) { return string[0] == 0 ? NULL : string; }

/* `sets`: low and high half of each of the five sets, as decode_caps left them. */
static int perform_capset(const int64_t *sets) {
  const int64_t *effective = sets, *permitted = sets + 2, *inheritable = sets + 4, *ambient = sets + 6,
                *bounding = sets + 8;
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  struct __user_cap_data_struct data[2];
  /* A change of user ids empties the effective set; what follows needs CAP_SETPCAP in it, where it is permitted. */
  if (syscall(SYS_capget, &header, data) == -1) return -errno;
  for (int half = 0; half < 2; half++) data[half].effective = data[half].permitted;
  if (syscall(SYS_capset, &header, data) == -1) return -errno;
  for (int cap = 0; cap < 64; cap++) {
    if (bounding[cap / 32] >> (cap % 32) & 1) continue;
    /* Past the last capability that this kernel knows: EINVAL. Not in the set: nothing to drop. */
    int present = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);
    if (present == -1) break;
    if (present == 1 && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == -1) return -errno;
  }
  for (int half = 0; half < 2; half++) {
    data[half].effective = (uint32_t)effective[half];
    data[half].permitted = (uint32_t)permitted[half];
    data[half].inheritable = (uint32_t)inheritable[half];
  }
  if (syscall(SYS_capset, &header, data) == -1) return -errno;
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == -1) return -errno;
  for (int cap = 0; cap < 64; cap++) {
    if ((ambient[cap / 32] >> (cap % 32) & 1) == 0) continue;
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) == -1) return -errno;
  }
  return 0;
}

static int perform_dup(int from, int to) {
  if (from == to) return done(fcntl(from, F_SETFD, 0));
  return done(dup3(from, to, 0));
}

/* Writes in one write(2), as the files of procfs and cgroups want it; the file is made when it is missing. */
static int perform_writefile(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644);
  if (fd == -1) return -errno;
  size_t len = strlen(text);
  long written = len == 0 ? 0 : write(fd, text, len);
  int result = written == (long)len ? 0 : written == -1 ? -errno : -EIO;
  close(fd);
  return result;
}

static int perform_affinity(const int32_t *cpus, size_t count) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (size_t i = 0; i < count; i++) {
    if (cpus[i] < 0 || cpus[i] >= CPU_SETSIZE) return -EINVAL;
    CPU_SET(cpus[i], &set);
  }
  return done(syscall(SYS_sched_setaffinity, 0, sizeof(set), &set));
}

#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif

/* struct mount_attr of mount_setattr(2), which older headers lack. */
struct attributes {
  uint64_t attr_set, attr_clr, propagation, userns_fd;
};

int step_perform(const struct step *step) {
  char *const *s = step->strings;
  const int64_t *n = step->numbers;
  switch (step->op) {
    case OP_MOUNT: return done(mount(or_null(s[0]), s[1], or_null(s[2]), (unsigned long)n[0], or_null(s[3])));
    case OP_UMOUNT: return done(umount2(s[0], (int)n[0]));
    case OP_MOUNT_SETATTR: {
      struct attributes attributes = {.attr_set = (uint64_t)n[1], .attr_clr = (uint64_t)n[2]};
      return done(syscall(SYS_mount_setattr, AT_FDCWD, s[0], (unsigned)n[0], &attributes, sizeof(attributes)));
    }
    case OP_PIVOT_ROOT: return done(syscall(SYS_pivot_root, s[0], s[1]));
    case OP_CHROOT: return done(chroot(s[0]));
    case OP_CHDIR: return done(chdir(s[0]));
    case OP_MKDIR: {
      int result = done(mkdir(s[0], (mode_t)n[0]));
      return result == -EEXIST && n[1] ? 0 : result;
    }
    case OP_SETHOSTNAME: return done(sethostname(s[0], strlen(s[0])));
    case OP_UNSHARE: return done(unshare((int)n[0]));
    case OP_SETNS: return done(setns((int)n[0], (int)n[1]));
    case OP_PRCTL:
      return done(prctl((int)n[0], (unsigned long)n[1], (unsigned long)n[2], (unsigned long)n[3], (unsigned long)n[4]));
    /* libc's wrappers would change the ids of every thread of the parent. */
    case OP_SETGROUPS: return done(syscall(SYS_setgroups, step->memory_len, step->memory));
    case OP_SETRESGID: return done(syscall(SYS_setresgid, (gid_t)n[0], (gid_t)n[0], (gid_t)n[0]));
    case OP_SETRESUID: return done(syscall(SYS_setresuid, (uid_t)n[0], (uid_t)n[0], (uid_t)n[0]));
    case OP_CAPSET: return perform_capset(n);
    case OP_SETRLIMIT: {
      struct rlimit limit = {.rlim_cur = n[1] == INT64_MAX ? RLIM_INFINITY : (rlim_t)n[1],
                             .rlim_max = n[2] == INT64_MAX ? RLIM_INFINITY : (rlim_t)n[2]};
      return done(syscall(SYS_prlimit64, 0, (int)n[0], &limit, NULL));
    }
    case OP_SETSID: return done(setsid());
    case OP_SETPGID: return done(setpgid(0, 0));
    case OP_IOCTL: return done(ioctl((int)n[0], (unsigned long)n[1], (long)n[2]));
    case OP_DUP: return perform_dup((int)n[0], (int)n[1]);
    case OP_CLOSE_RANGE: return done(syscall(SYS_close_range, (unsigned)n[0], (unsigned)n[1], 0));
    case OP_WRITEFILE: return perform_writefile(s[0], s[1]);
    case OP_SIGMASK_EMPTY: {
      uint64_t none = 0;
      return done(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof(none)));
    }
    case OP_SECCOMP: {
      struct sock_fprog program = {.len = (unsigned short)step->memory_len, .filter = step->memory};
      return done(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, (unsigned)n[0], &program));
    }
    case OP_SCHED_SETAFFINITY: return perform_affinity(step->memory, step->memory_len);
    default: return -EINVAL;
  }
}

napi_value spawn_result(napi_env env, int pid, int pidfd, int error, int step) {
  napi_value object;
  napi_create_object(env, &object);
  napi_set_named_property(env, object, "pid", ret(env, pid));
  napi_set_named_property(env, object, "pidfd", ret(env, pidfd));
  napi_set_named_property(env, object, "error", ret(env, error));
  napi_set_named_property(env, object, "step", ret(env, step));
  return object;
}

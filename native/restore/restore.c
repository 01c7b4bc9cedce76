/*
 * restore IMAGE COUNT FALLBACK[COUNT]... ARGUMENT...
 *
 * Becomes the process whose memory is kept in IMAGE (native/include/image.h): maps it, gives the kernel what it keeps of
 * a process, and goes on where that process stopped, with the arguments and this process's environment. When the image
 * is not fit (another kernel, processor, or version of one of its files), executes FALLBACK with the arguments.
 *
 * No libc: everything but this program's own 1 TiB of addresses is unmapped on the way.
 */
#include "image.h"

#include <asm/prctl.h>
#include <asm/unistd.h>
#include <linux/auxvec.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/stat.h>
#include <linux/utsname.h>

#define PAGE 4096ull
/* Where this program is linked to lie (tools/native-targets.ts), above V8's heap and below libraries and stacks. */
#define OWN_START 0x600000000000ull
#define OWN_END 0x610000000000ull
#define START_AREA 0x600100000000ull
#define SPECIAL_AREA 0x600200000000ull
#define TASK_END 0x7ffffffff000ull
#define MAX_FILES 64
#define AT_FDCWD_ -100
#define SIGPIPE 13
#define RSEQ_SIGNATURE 0x53053053

static long call(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f) {
  register uint64_t r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}
#define CALL0(nr) call(nr, 0, 0, 0, 0, 0, 0)
#define CALL1(nr, a) call(nr, (uint64_t)(a), 0, 0, 0, 0, 0)
#define CALL2(nr, a, b) call(nr, (uint64_t)(a), (uint64_t)(b), 0, 0, 0, 0)
#define CALL3(nr, a, b, c) call(nr, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), 0, 0, 0)
#define CALL4(nr, a, b, c, d) call(nr, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), (uint64_t)(d), 0, 0)
#define CALL5(nr, a, b, c, d, e) call(nr, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), (uint64_t)(d), (uint64_t)(e), 0)

/* GCC makes calls of these two from loops and assignments, libc or not. */
void *memcpy(void *to, const void *from, __SIZE_TYPE__ len) {
  void *result = to;
  __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(len) : : "memory");
  return result;
}
void *memset(void *to, int value, __SIZE_TYPE__ len) {
  void *result = to;
  __asm__ volatile("rep stosb" : "+D"(to), "+c"(len) : "a"(value) : "memory");
  return result;
}

static uint64_t length(const char *text) {
  uint64_t len = 0;
  while (text[len] != 0) len++;
  return len;
}

static int is_equal(const char *a, const char *b) {
  while (*a == *b && *a != 0) a++, b++;
  return *a == *b;
}

/* What the process was started with. */
struct invocation {
  uint64_t argc;
  char **argv;
  char **envp;
  uint64_t vdso;
};

static union {
  struct image_head head;
  char bytes[IMAGE_TABLES];
} image __attribute__((aligned(4096)));
static int files[MAX_FILES + 1];
static char stack[32 << 10] __attribute__((aligned(4096)));

static void say(const char *text) {
  CALL3(__NR_write, 2, "tsvisor: restore: ", 18);
  CALL3(__NR_write, 2, text, length(text));
  CALL3(__NR_write, 2, "\n", 1);
}

static const struct image_part *parts(void) { return (const struct image_part *)(image.bytes + sizeof(image.head)); }
static const struct image_file *image_files(void) {
  return (const struct image_file *)(parts() + image.head.part_count);
}
static const char *names(void) { return (const char *)(image_files() + image.head.file_count); }

static int is_this_machine(void) {
  struct new_utsname name;
  uint32_t cpu[IMAGE_CPU_WORDS];
  if (CALL1(__NR_uname, &name) < 0) return 0;
  const char *want = image.head.kernel;
  for (int i = 0; i < 2; i++) {
    const char *have = i == 0 ? name.release : name.version;
    uint64_t len = length(have);
    for (uint64_t at = 0; at < len; at++)
      if (want[at] != have[at]) return 0;
    if (want[len] != (i == 0 ? '\n' : 0)) return 0;
    want += len + 1;
  }
  image_cpu(cpu);
  for (int i = 0; i < IMAGE_CPU_WORDS; i++)
    if (cpu[i] != image.head.frozen.cpu[i]) return 0;
  return 1;
}

/* Whether the kernel lets a process describe its memory as another one's: built in with checkpoints (CRIU). */
static int can_describe(void) {
  unsigned size = 0;
  return CALL5(__NR_prctl, PR_SET_MM, PR_SET_MM_MAP_SIZE, &size, 0, 0) == 0 && size == sizeof(struct prctl_mm_map);
}

static int open_file(const struct image_file *file) {
  struct statx status;
  int fd = (int)CALL4(__NR_openat, AT_FDCWD_, names() + file->name, O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0) return -1;
  if (CALL5(__NR_statx, fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &status) < 0) return -1;
  if (status.stx_ino != file->ino || status.stx_size != file->size ||
      (uint64_t)status.stx_mtime.tv_sec != file->mtime_s || status.stx_mtime.tv_nsec != file->mtime_ns)
    return -1;
  return fd;
}

/* Opens the image and the files it needs; 0: it is not fit. */
static int load(const char *path) {
  files[0] = (int)CALL4(__NR_openat, AT_FDCWD_, path, O_RDONLY | O_CLOEXEC, 0);
  if (files[0] < 0) return 0;
  const struct image_head *head = &image.head;
  if (CALL4(__NR_pread64, files[0], image.bytes, IMAGE_TABLES, 0) != IMAGE_TABLES) return 0;
  if (head->magic != IMAGE_MAGIC || head->file_count > MAX_FILES || !is_this_machine() || !can_describe()) return 0;
  if (!is_equal(names() + head->self, path)) return 0;
  for (uint64_t i = 0; i < head->file_count; i++) {
    files[i + 1] = open_file(&image_files()[i]);
    if (files[i + 1] < 0) return 0;
  }
  return 1;
}

/* Copies arguments and environment to where they stay. The arguments begin at argv[first], behind argv[0]. */
static struct image_start *keep_start(const struct invocation *own, uint64_t first) {
  uint64_t env_count = 0, len = sizeof(struct image_start) + PAGE;
  for (; own->envp[env_count] != 0; env_count++) len += length(own->envp[env_count]) + 1 + sizeof(char *);
  for (uint64_t i = 0; i < own->argc; i++) len += length(own->argv[i]) + 1 + sizeof(char *);
  long area = call(__NR_mmap, START_AREA, len, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, (uint64_t)-1, 0);
  if (area != (long)START_AREA) return 0;
  struct image_start *start = (struct image_start *)START_AREA;
  start->argc = 1 + own->argc - first;
  start->parts = parts();
  start->part_count = image.head.part_count;
  start->argv = (char **)(start + 1);
  start->envp = start->argv + start->argc + 1;
  char *text = (char *)(start->envp + env_count + 1);
  for (uint64_t i = 0; i < start->argc; i++) {
    const char *from = own->argv[i == 0 ? 0 : first + i - 1];
    start->argv[i] = memcpy(text, from, length(from) + 1);
    text += length(from) + 1;
  }
  for (uint64_t i = 0; i < env_count; i++) {
    start->envp[i] = memcpy(text, own->envp[i], length(own->envp[i]) + 1);
    text += length(own->envp[i]) + 1;
  }
  return start;
}

static void give_up(const char *what) {
  say(what);
  CALL1(__NR_exit_group, 128);
  __builtin_trap();
}

/* The kernel's own mappings go where the image had them, by way of a place that nothing else uses. */
static void move_special(uint64_t vdso) {
  const struct image_head *head = &image.head;
  for (uint64_t i = 0; i < head->special_count; i++) {
    const struct image_special *special = &head->special[i];
    uint64_t from = special->address - head->vdso + vdso, by = SPECIAL_AREA + special->address - head->special[0].address;
    if (call(__NR_mremap, from, special->len, special->len, MREMAP_MAYMOVE | MREMAP_FIXED, by, 0) != (long)by)
      give_up("the vDSO cannot be moved");
  }
}

static void place_special(void) {
  const struct image_head *head = &image.head;
  for (uint64_t i = 0; i < head->special_count; i++) {
    const struct image_special *special = &head->special[i];
    uint64_t from = SPECIAL_AREA + special->address - head->special[0].address;
    if (call(__NR_mremap, from, special->len, special->len, MREMAP_MAYMOVE | MREMAP_FIXED, special->address, 0) !=
        (long)special->address)
      give_up("the vDSO cannot be placed");
  }
}

static void map_parts(void) {
  const struct image_part *list = parts();
  for (uint64_t i = 0; i < image.head.part_count; i++) {
    const struct image_part *part = &list[i];
    int flags = MAP_PRIVATE | MAP_FIXED | (part->file < 0 ? MAP_ANONYMOUS | MAP_NORESERVE : 0);
    if (call(__NR_mmap, part->address, part->len, part->prot, (uint64_t)flags,
             part->file < 0 ? (uint64_t)-1 : (uint64_t)files[part->file], part->offset) != (long)part->address)
      give_up("the memory cannot be mapped");
  }
  for (uint64_t i = 0; i <= image.head.file_count; i++) CALL1(__NR_close, files[i]);
}

/* Where the heap may grow (brk), and what /proc/self/cmdline and environ show. */
static void describe_memory(const struct image_start *start) {
  const struct image_head *head = &image.head;
  struct prctl_mm_map map;
  memset(&map, 0, sizeof(map));
  map.start_code = head->start_code;
  map.end_code = head->end_code;
  map.start_data = head->start_data;
  map.end_data = head->end_data;
  map.start_brk = head->start_brk;
  map.brk = head->frozen.brk;
  map.start_stack = head->start_stack;
  map.arg_start = (uint64_t)start->argv[0];
  const char *last = start->argv[start->argc - 1];
  map.arg_end = map.env_start = map.env_end = (uint64_t)last + length(last) + 1;
  map.exe_fd = (uint32_t)-1;
  if (CALL5(__NR_prctl, PR_SET_MM, PR_SET_MM_MAP, &map, sizeof(map), 0) < 0) give_up("the heap cannot be described");
  const char *name = start->argv[0];
  for (const char *at = name; *at != 0; at++)
    if (*at == '/') name = at + 1;
  CALL2(__NR_prctl, PR_SET_NAME, name);
}

/* rt_sigaction's argument as the kernel takes it. */
struct kernel_sigaction {
  uint64_t handler, flags, restorer, mask;
};

/* Default dispositions, but for SIGPIPE, which Node ignores; nothing is blocked. */
static void reset_signals(void) {
  struct kernel_sigaction action = {0, 0, 0, 0};
  uint64_t none = 0;
  for (int sig = 1; sig <= 64; sig++) {
    action.handler = sig == SIGPIPE; /* SIG_IGN is 1 */
    CALL4(__NR_rt_sigaction, sig, &action, 0, sizeof(action.mask));
  }
  CALL4(__NR_rt_sigprocmask, 2 /* SIG_SETMASK */, &none, 0, sizeof(none));
}

static void resume(const struct image_thread *thread, const struct image_start *start) {
  CALL2(__NR_arch_prctl, ARCH_SET_FS, thread->fs_base);
  *(int *)thread->tid_address = (int)CALL1(__NR_set_tid_address, thread->tid_address);
  CALL2(__NR_set_robust_list, thread->robust_head, thread->robust_len);
  if (thread->rseq_len != 0) CALL4(__NR_rseq, thread->rseq, thread->rseq_len, 0, RSEQ_SIGNATURE);
  __asm__ volatile("ldmxcsr %0\n\tfldcw %1" : : "m"(thread->mxcsr), "m"(thread->fpu_control));
  __asm__ volatile("mov 0(%%rdi), %%rbx\n\t"
                   "mov 8(%%rdi), %%rbp\n\t"
                   "mov 16(%%rdi), %%r12\n\t"
                   "mov 24(%%rdi), %%r13\n\t"
                   "mov 32(%%rdi), %%r14\n\t"
                   "mov 40(%%rdi), %%r15\n\t"
                   "mov 48(%%rdi), %%rsp\n\t"
                   "jmp *56(%%rdi)"
                   :
                   : "D"(thread), "a"(start)
                   : "memory");
  __builtin_unreachable();
}

/* On the own stack: nothing of the old memory is needed any more. */
__attribute__((used, noreturn)) static void become(uint64_t vdso, const struct image_start *start) {
  move_special(vdso);
  CALL2(__NR_munmap, PAGE, OWN_START - PAGE);
  CALL2(__NR_munmap, OWN_END, TASK_END - OWN_END);
  map_parts();
  place_special();
  describe_memory(start);
  reset_signals();
  resume(&image.head.frozen.thread, start);
  __builtin_unreachable();
}

static void fall_back(char **argv, char **envp) {
  if (argv[0] != 0) CALL3(__NR_execve, argv[0], argv, envp);
  give_up("cannot execute the program");
}

/* Closed standard descriptors stay nobody's: an O_PATH one reads and writes nothing, and is told from a user's by its flags. */
static void keep_standard_numbers(void) {
  for (int fd = 0; fd <= 2; fd++)
    if (CALL2(__NR_fcntl, fd, F_GETFD) < 0) CALL4(__NR_openat, AT_FDCWD_, "/", O_PATH, 0);
}

/* `top`: the stack as execve(2) leaves it: argc, argv, NULL, envp, NULL, auxiliary vector. */
__attribute__((used, noreturn)) static void begin(uint64_t *top) {
  struct invocation own = {top[0], (char **)(top + 1), (char **)(top + 2 + top[0]), 0};
  uint64_t *auxv = (uint64_t *)own.envp, count = 0;
  while (*auxv != 0) auxv++;
  for (auxv++; auxv[0] != AT_NULL; auxv += 2)
    if (auxv[0] == AT_SYSINFO_EHDR) own.vdso = auxv[1];
  if (own.argc < 3) give_up("usage: restore IMAGE COUNT FALLBACK[COUNT]... ARGUMENT...");
  keep_standard_numbers();
  for (const char *digit = own.argv[2]; *digit >= '0' && *digit <= '9'; digit++) count = count * 10 + (uint64_t)(*digit - '0');
  if (count > own.argc - 3) give_up("usage: restore IMAGE COUNT FALLBACK[COUNT]... ARGUMENT...");
  struct image_start *start = own.vdso != 0 && load(own.argv[1]) ? keep_start(&own, 3 + count) : 0;
  if (start == 0) {
    if (is_equal(own.argv[2], "0")) give_up("the image is not fit");
    fall_back(own.argv + 3, own.envp);
  }
  __asm__ volatile("mov %0, %%rsp\n\txor %%ebp, %%ebp\n\tcall become"
                   :
                   : "r"(stack + sizeof(stack)), "D"(own.vdso), "S"(start)
                   : "memory");
  __builtin_unreachable();
}

__asm__(".globl _start\n"
        "_start:\n\t"
        "xor %ebp, %ebp\n\t"
        "mov %rsp, %rdi\n\t"
        "and $-16, %rsp\n\t"
        "call begin\n");

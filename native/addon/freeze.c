/*
 * freeze: a process stops, at the end of a training run, so that the build can keep its memory as an image
 * (native/restore/image.h), and goes on in every process that is made from the image. There the addon's own variables are as
 * they were when it was loaded: what they tell of (descriptors, mappings, processes) does not exist.
 */
#include "addon.h"
#include "freeze.h"
#include "../restore/image.h"
#include "platform.h"
#include "v8.h"

#include <asm/prctl.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>

bool is_training(void) {
  return getenv("TSVISOR_TRAINING") != NULL;
}

/* The addon's writable variables: where they are, and a copy of what they were at first. NULL: none was kept. */
static struct {
  char *at;
  size_t len;
  char *copy;
} variables;

/* dl_iterate_phdr's callback: the writable segment of the object that has this function, less what is relocated and then
 * read-only. */
static int find_variables(struct dl_phdr_info *info, size_t size, void *arg) {
  (void)size;
  (void)arg;
  uintptr_t own = (uintptr_t)&variables, start = 0, end = 0, relro = 0;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
    uintptr_t from = info->dlpi_addr + segment->p_vaddr, to = from + segment->p_memsz;
    if (segment->p_type == PT_LOAD && (segment->p_flags & PF_W) != 0 && from <= own && own < to) start = from, end = to;
    if (segment->p_type == PT_GNU_RELRO) relro = (to + 4095) & ~(uintptr_t)4095;
  }
  if (start == 0) return 0;
  if (relro > start) start = relro;
  variables.at = (char *)start;
  variables.len = end - start;
  return 1;
}

static void reset_variables(void) {
  struct shared kept;
  shared_keep(&kept);
  memcpy(variables.at, variables.copy, variables.len);
  shared_restore(&kept);
  mem_reset();
}

/* The general registers that a function preserves, stack and return address; 0, and later again: what the resumer says. */
__attribute__((naked, noinline, returns_twice)) static struct image_start *save(struct image_thread *thread) {
  (void)thread;
  __asm__("mov %rbx, 0(%rdi)\n\t"
          "mov %rbp, 8(%rdi)\n\t"
          "mov %r12, 16(%rdi)\n\t"
          "mov %r13, 24(%rdi)\n\t"
          "mov %r14, 32(%rdi)\n\t"
          "mov %r15, 40(%rdi)\n\t"
          "lea 8(%rsp), %rax\n\t"
          "mov %rax, 48(%rdi)\n\t"
          "mov (%rsp), %rax\n\t"
          "mov %rax, 56(%rdi)\n\t"
          "xor %eax, %eax\n\t"
          "ret");
}

static int describe(struct image_thread *thread) {
  memset(thread, 0, sizeof(*thread));
  __asm__("stmxcsr %0\n\tfnstcw %1" : "=m"(thread->mxcsr), "=m"(thread->fpu_control));
  size_t len;
  void *head, *tid;
  if (syscall(SYS_arch_prctl, ARCH_GET_FS, &thread->fs_base) == -1 || syscall(SYS_get_robust_list, 0, &head, &len) == -1 ||
      prctl(PR_GET_TID_ADDRESS, &tid) == -1)
    return -errno;
  thread->tid_address = (uint64_t)(uintptr_t)tid;
  thread->robust_head = (uint64_t)(uintptr_t)head;
  thread->robust_len = len;
  thread->rseq = (uint64_t)(thread->fs_base + (uint64_t)__rseq_offset);
  thread->rseq_len = __rseq_size == 0 ? 0 : 32; /* what glibc registers; __rseq_size is what of it is in use */
  return 0;
}

extern void v8_collect(void *isolate, int type)
    V8_FUNCTION("_ZN2v87Isolate34RequestGarbageCollectionForTestingENS0_21GarbageCollectionTypeE");

/* v8::Isolate::GarbageCollectionType */
#define FULL_COLLECTION 0

/* collect(): everything goes that nothing refers to; a second time, since finalizers let go of more. Needs --expose-gc. */
static napi_value js_collect(napi_env env, napi_callback_info info) {
  (void)info;
  if (v8_collect == NULL || v8_current_isolate == NULL) return ret(env, -ENOSYS);
  for (int i = 0; i < 2; i++) v8_collect(v8_current_isolate(), FULL_COLLECTION);
  malloc_trim(0);
  return ret(env, 0);
}

/* As malloc has it before it has learned: from here on, a piece of memory is a mapping of its own. */
#define MAP_FROM (128 << 10)

/*
 * The heap as processes made from the image are to find it. Large tables are mappings, zeros that nobody has touched, and not
 * pieces that others have freed and that calloc must clear. What was freed is sorted by the next malloc that finds nothing
 * suitable: here once, and not in each process, which would copy a page for every piece.
 */
static void settle_heap(void) {
  mallopt(M_MMAP_THRESHOLD, MAP_FROM);
  malloc_trim(0);
  void *volatile piece = malloc(MAP_FROM - 4096);
  free(piece);
}

/* In a process made from an image: what it was told, and its /proc/self/pagemap. */
static const struct image_start *resumed;
static int pagemap = -1;

/* Of an entry of the pagemap (Documentation/admin-guide/mm/pagemap.rst): the page is a file's, and there. */
#define PAGE_OF_FILE (1ull << 61)
#define PAGE_PRESENT (1ull << 63)
#define PAGE 4096ull

static void give_back(uint64_t start, uint64_t end) {
  if (start < end) madvise((void *)(uintptr_t)start, end - start, MADV_DONTNEED);
}

static void give_back_part(const struct image_part *part) {
  static uint64_t entries[1024];
  for (uint64_t at = part->address, end = part->address + part->len; at < end;) {
    uint64_t count = (end - at) / PAGE < 1024 ? (end - at) / PAGE : 1024;
    if (pread(pagemap, entries, count * 8, (off_t)(at / PAGE * 8)) != (ssize_t)(count * 8)) return;
    uint64_t from = at;
    for (uint64_t i = 0; i < count; i++) {
      if ((entries[i] & (PAGE_PRESENT | PAGE_OF_FILE)) == (PAGE_PRESENT | PAGE_OF_FILE)) continue;
      give_back(from, at + i * PAGE);
      from = at + (i + 1) * PAGE;
    }
    at += count * PAGE;
    give_back(from, at);
  }
}

void image_give_back(void) {
  if (resumed == NULL || pagemap < 0) return;
  for (uint64_t i = 0; i < resumed->part_count; i++)
    if (resumed->parts[i].file == 0) give_back_part(&resumed->parts[i]);
}

/* freeze(name): list of strings, the resumed process's arguments. The frozen process is never heard of again. -errno. */
static napi_value js_freeze(napi_env env, napi_callback_info info) {
  static struct image_frozen frozen;
  ARGS(1);
  char name[64], line[128];
  int error = get_latin1(env, argv[0], name, sizeof(name));
  if (error < 0) return bad_argument(env, 0, "a string");
  if (variables.copy == NULL) return ret(env, -ENOSYS);
  int len = snprintf(line, sizeof(line), "\ntsvisor-image %s %lx\n", name, (unsigned long)(uintptr_t)&frozen);
  reset_variables();
  settle_heap();
  error = describe(&frozen.thread);
  image_cpu(frozen.cpu);
  frozen.brk = (uint64_t)(uintptr_t)sbrk(0);
  if (error < 0) return ret(env, error);
  struct image_start *start = save(&frozen.thread);
  if (start == NULL) {
    if (write(2, line, (size_t)len) != len) _exit(1);
    /* Until whoever reads that has ended this process, or is gone itself. */
    struct pollfd reader = {.fd = 2, .events = 0};
    while (poll(&reader, 1, -1) == -1 && errno == EINTR) continue;
    _exit(1);
  }
  resumed = start;
  pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  environ = start->envp;
  napi_value list;
  if (napi_create_array_with_length(env, start->argc, &list) != napi_ok) return NULL;
  for (uint64_t i = 0; i < start->argc; i++)
    napi_set_element(env, list, (uint32_t)i, ret_latin1(env, start->argv[i], strlen(start->argv[i])));
  return list;
}

void freeze_register(napi_env env, napi_value exports) {
  static const struct method methods[] = {
      {"collect", js_collect},
      {"freeze", js_freeze},
  };
  DEFINE_METHODS(env, exports, methods);
  if (!is_training() || variables.copy != NULL) return;
  dl_iterate_phdr(find_variables, NULL);
  char *copy = malloc(variables.len);
  if (copy == NULL) return;
  variables.copy = copy;
  memcpy(copy, variables.at, variables.len);
}

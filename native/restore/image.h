/*
 * The layout of a process image: what the build writes (tools/image.ts), restore.c reads and the addon's freeze.c
 * prepares. All numbers are little endian.
 *
 * File: a head, then tables, all within IMAGE_TABLES bytes; then pages. The tables follow each other: parts, files, names.
 */
#ifndef TSVISOR_IMAGE_H
#define TSVISOR_IMAGE_H

#include <stdint.h>

#define IMAGE_MAGIC 0x31676d4976535421ull /* "!TSvImg1" */
#define IMAGE_TABLES (256 << 10)
#define IMAGE_CPU_WORDS 8
#define IMAGE_KERNEL_LEN 256
#define IMAGE_SPECIAL_MAX 4

/* Where a process stopped, and what of it the kernel keeps and not its memory. */
struct image_thread {
  /* What a function must preserve, the stack pointer, and where to go on (with the address of an image_start in rax). */
  uint64_t rbx, rbp, r12, r13, r14, r15, rsp, rip;
  uint32_t mxcsr;
  uint32_t fpu_control;
  uint64_t fs_base;
  uint64_t tid_address;
  uint64_t robust_head, robust_len;
  uint64_t rseq, rseq_len;
};

/* What the frozen process tells of itself. */
struct image_frozen {
  struct image_thread thread;
  uint32_t cpu[IMAGE_CPU_WORDS]; /* of image_cpu() */
  uint64_t brk;                  /* the end of its heap */
};

/* A mapping, to be made over what was made before. */
struct image_part {
  uint64_t address;
  uint64_t len;
  uint64_t offset;
  uint32_t prot;
  int32_t file; /* -1: anonymous; 0: the image itself; n: number n - 1 of the files */
};

/* What the resumed process is told. */
struct image_start {
  uint64_t argc;
  char **argv;
  char **envp;
  const struct image_part *parts;
  uint64_t part_count;
};

/* A file that must still be the one that was mapped. */
struct image_file {
  uint64_t ino;
  uint64_t size;
  uint64_t mtime_s, mtime_ns;
  uint64_t name; /* where among the names; it ends with 0 */
};

/* One of the kernel's own mappings (vvar, vdso), which a new process has somewhere else. */
struct image_special {
  uint64_t address;
  uint64_t len;
};

struct image_head {
  uint64_t magic;
  uint64_t part_count, file_count;
  uint64_t self; /* the image's own path, where among the names: what was mapped lies beside it */
  uint64_t vdso; /* AT_SYSINFO_EHDR */
  uint64_t special_count;
  struct image_special special[IMAGE_SPECIAL_MAX];
  uint64_t start_code, end_code, start_data, end_data, start_brk, start_stack;
  struct image_frozen frozen;
  char kernel[IMAGE_KERNEL_LEN]; /* release and version of uname(2), a newline between */
};

/* What tells kinds of CPUs apart as far as compiled code cares. */
static inline void image_cpu(uint32_t words[IMAGE_CPU_WORDS]) {
  uint32_t a = 1, b, c = 0, d;
  __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  words[0] = a;
  words[1] = c;
  words[2] = d;
  a = 7;
  c = 0;
  __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  words[3] = b;
  words[4] = c;
  words[5] = d;
  words[6] = words[7] = 0;
  if (words[1] & (1u << 27)) __asm__ volatile("xgetbv" : "=a"(words[6]), "=d"(words[7]) : "c"(0));
}

#endif

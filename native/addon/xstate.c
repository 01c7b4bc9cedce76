/* The layout of extended processor state (XSAVE, standard format), from CPUID leaf 0xd. */
#include "platform.h"

#include <cpuid.h>
#include <string.h>

#define LEGACY_SIZE 512
#define HEADER_SIZE 64
#define XSTATE_BV 512
#define XCOMP_BV 520
#define MXCSR 24
#define FP_SW 464
#define FP_MAGIC1 0x46505853
#define MXCSR_DEFAULT 0x1f80
#define FCW_DEFAULT 0x37f
/* Protection keys: Linux starts threads with access by key 0 only. */
#define PKRU_COMPONENT 9
#define PKRU_DEFAULT 0x55555554
/* Components 17 and 18 (AMX) need arch_prctl(ARCH_REQ_XCOMP_PERM); stubs do not ask. */
#define NEEDS_PERMISSION ((uint64_t)3 << 17)

static struct {
  uint32_t offset, size;
} components[63];

void xstate_probe(void) {
  uint32_t a, b, c, d;
  uint64_t features = 3;
  uint32_t size = LEGACY_SIZE + HEADER_SIZE;
  if (__get_cpuid(1, &a, &b, &c, &d) && (c & bit_OSXSAVE) != 0) {
    uint32_t lo, hi;
    P.xsave = true;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    features = ((uint64_t)hi << 32 | lo) & ~NEEDS_PERMISSION;
    for (uint32_t i = 2; i < 63; i++) {
      if ((features >> i & 1) == 0) continue;
      if (!__get_cpuid_count(0xd, i, &a, &b, &c, &d) || a == 0) {
        features &= ~((uint64_t)1 << i);
        continue;
      }
      components[i].offset = b;
      components[i].size = a;
      if (b + a > size) size = b + a;
    }
  }
  P.fp_features = features;
  P.fp_size = size;
  /* The mask of MXCSR bits that exist; 0 means the default. */
  _Alignas(16) uint8_t image[LEGACY_SIZE];
  memset(image, 0, sizeof(image));
  __asm__ volatile("fxsave %0" : "=m"(image));
  memcpy(&P.mxcsr_mask, image + 28, 4);
  if (P.mxcsr_mask == 0) P.mxcsr_mask = 0xffbf;
}

/* What Linux puts into the software bytes of an image in a signal frame. */
static void put_software_bytes(uint8_t *image) {
  struct {
    uint32_t magic1, extended_size;
    uint64_t features;
    uint32_t size, pad[7];
  } software = {FP_MAGIC1, P.fp_size + 4, P.fp_features, P.fp_size, {0}};
  _Static_assert(sizeof(software) == LEGACY_SIZE - FP_SW, "software bytes");
  memcpy(image + FP_SW, &software, sizeof(software));
}

void xstate_initial(uint8_t *image) {
  memset(image, 0, P.fp_size);
  uint16_t fcw = FCW_DEFAULT;
  uint32_t mxcsr = MXCSR_DEFAULT;
  memcpy(image, &fcw, 2);
  memcpy(image + MXCSR, &mxcsr, 4);
  memcpy(image + MXCSR + 4, &P.mxcsr_mask, 4);
  if ((P.fp_features >> PKRU_COMPONENT & 1) != 0) {
    uint64_t present = (uint64_t)1 << PKRU_COMPONENT;
    uint32_t pkru = PKRU_DEFAULT;
    memcpy(image + XSTATE_BV, &present, 8);
    memcpy(image + components[PKRU_COMPONENT].offset, &pkru, 4);
  }
  put_software_bytes(image);
}

void xstate_clean(uint8_t *image) {
  uint64_t present;
  uint32_t mxcsr;
  memcpy(&present, image + XSTATE_BV, 8);
  present &= P.fp_features;
  memset(image + XSTATE_BV, 0, HEADER_SIZE);
  memcpy(image + XSTATE_BV, &present, 8);
  memcpy(&mxcsr, image + MXCSR, 4);
  mxcsr = (present & 6) != 0 ? mxcsr & P.mxcsr_mask : MXCSR_DEFAULT;
  if ((present & 1) == 0) {
    uint16_t fcw = FCW_DEFAULT;
    memset(image, 0, 24);
    memset(image + 32, 0, 128);
    memcpy(image, &fcw, 2);
  }
  memcpy(image + MXCSR, &mxcsr, 4);
  memcpy(image + MXCSR + 4, &P.mxcsr_mask, 4);
  if ((present & 2) == 0) memset(image + 160, 0, 256);
  memset(image + 416, 0, FP_SW - 416);
  put_software_bytes(image);
  for (uint32_t i = 2; i < 63; i++)
    if ((present >> i & 1) == 0 && components[i].size != 0)
      memset(image + components[i].offset, 0, components[i].size);
}

bool xstate_valid(const uint8_t *image) {
  uint64_t present;
  uint32_t mxcsr;
  memcpy(&present, image + XSTATE_BV, 8);
  memcpy(&mxcsr, image + MXCSR, 4);
  if ((present & ~P.fp_features) != 0 || (mxcsr & ~P.mxcsr_mask) != 0) return false;
  for (int i = XCOMP_BV; i < XSTATE_BV + HEADER_SIZE; i++)
    if (image[i] != 0) return false;
  return true;
}

void xstate_copy(uint8_t *to, const uint8_t *image) {
  uint64_t present;
  memcpy(&present, image + XSTATE_BV, 8);
  memcpy(to, image, LEGACY_SIZE + HEADER_SIZE);
  for (uint32_t i = 2; i < 63; i++)
    if ((present >> i & 1) != 0) memcpy(to + components[i].offset, image + components[i].offset, components[i].size);
}

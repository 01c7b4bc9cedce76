/* ptrace: guest threads of the same stub processes, run by PTRACE_SYSEMU. */
#include "platform.h"

#include <elf.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

_Static_assert(sizeof(struct user_regs_struct) == REG_COUNT * 8, "user_regs_struct");

int ptrace_start(int32_t id) { (void)id; return -ENOSYS; }
void ptrace_collect(void) {}
void ptrace_resume(int32_t id) { (void)id; }
void ptrace_interrupt(int32_t id) { (void)id; }
int ptrace_get_fp(int32_t id, uint8_t *to) { (void)id; (void)to; return -ENOSYS; }
int ptrace_set_fp(int32_t id, const uint8_t *from) { (void)id; (void)from; return -ENOSYS; }

/*
 * The parts of the stub that must not use memory a guest can write: start-up, the helper loop, the start of guest threads.
 * They keep everything in registers and read only pages that are read-only in the stub. A failing step ends the process
 * (ud2 with every signal blocked is a kill).
 */
#include "layout.h"

#define NR_write 1
#define NR_mmap 9
#define NR_munmap 11
#define NR_rt_sigaction 13
#define NR_rt_sigprocmask 14
#define NR_rt_sigreturn 15
#define NR_clone 56
#define NR_sigaltstack 131
#define NR_prctl 157
#define NR_futex 202
#define NR_sched_setaffinity 203
#define NR_seccomp 317
#define NR_close_range 436

.macro must
	cmp $-4095, %rax
	jae die
.endm

.section .text.helper, "ax"
.globl _start
_start:
	/* Nothing may interrupt a helper. */
	mov $NR_rt_sigprocmask, %eax
	mov $2, %edi
	lea all_signals(%rip), %rsi
	xor %edx, %edx
	mov $8, %r10d
	syscall
	must

	lea signals(%rip), %rbx
1:	movzbl (%rbx), %edi
	test %edi, %edi
	jz 2f
	mov $NR_rt_sigaction, %eax
	lea action(%rip), %rsi
	xor %edx, %edx
	mov $8, %r10d
	syscall
	must
	inc %rbx
	jmp 1b

	/* The global page, and the bells. */
2:	mov $NR_mmap, %eax
	movabs $STUB_AREAS, %rdi
	mov $0x1000, %esi
	mov $1, %edx
	mov $0x11, %r10d
	mov $STUB_FD_CONTROL, %r8d
	xor %r9d, %r9d
	syscall
	must
	mov $NR_mmap, %eax
	movabs $STUB_BELLS, %rdi
	mov $(BELL_AREAS * AREA_SIZE), %esi
	mov $(STUB_BELLS - STUB_AREAS), %r9d
	syscall
	must

	/* Drop what the host's exec mapped: stack, vdso, vvar. */
	mov $NR_munmap, %eax
	xor %edi, %edi
	movabs $STUB_BASE, %rsi
	syscall
	must
	mov $NR_munmap, %eax
	movabs $STUB_END, %rdi
	movabs $(TASK_TOP - STUB_END), %rsi
	syscall
	must

	mov $NR_prctl, %eax
	mov $38, %edi /* PR_SET_NO_NEW_PRIVS */
	mov $1, %esi
	xor %edx, %edx
	xor %r10d, %r10d
	xor %r8d, %r8d
	syscall
	must
	mov $NR_seccomp, %eax
	mov $1, %edi
	xor %esi, %esi
	lea wide_program(%rip), %rdx
	syscall
	must

	mov $AREA_SIZE, %r9d /* the template's own area is number 1 */

/* A stub process begins here; r9: offset of its area in the control file. */
process_start:
	mov %r9, %r15
	mov $NR_prctl, %eax
	mov $1, %edi /* PR_SET_PDEATHSIG */
	mov $9, %esi
	syscall
	must
	mov $NR_mmap, %eax
	movabs $STUB_CMD, %rdi
	mov $STUB_CMD_SIZE, %esi
	mov $1, %edx
	mov $0x11, %r10d
	mov $STUB_FD_CONTROL, %r8d
	mov %r15, %r9
	syscall
	must
	mov $NR_mmap, %eax
	movabs $STUB_RES, %rdi
	mov $STUB_RES_SIZE, %esi
	mov $3, %edx
	mov $0x11, %r10d
	mov $STUB_FD_CONTROL, %r8d
	lea STUB_CMD_SIZE(%r15), %r9
	syscall
	must
	xor %r14d, %r14d

/*
 * The helper: executes batches of host calls that the Sentry put into the command page, all of them even when one fails.
 * The end and the first error are told through an eventfd that guest threads do not have, with a value out of a constant table, so that a
 * guest can forge neither. r14d: last sequence number done.
 */
helper:
	movabs $STUB_CMD, %r12
1:	mov CMD_SEQ(%r12), %eax
	cmp %r14d, %eax
	jne 2f
	mov $NR_futex, %eax
	mov %r12, %rdi
	xor %esi, %esi /* FUTEX_WAIT */
	mov %r14d, %edx
	xor %r10d, %r10d
	syscall
	jmp 1b
2:	mov %eax, %r14d
	mov CMD_COUNT(%r12), %ebx
	lea CMD_OPS(%r12), %r15
	xor %r13d, %r13d /* the first error */
3:	test %ebx, %ebx
	jz 8f
	mov 0(%r15), %rax
	mov %eax, %ebp /* kept here: when a clone looks, the page may hold the next batch */
	mov 8(%r15), %rdi
	mov 16(%r15), %rsi
	mov 24(%r15), %rdx
	mov 32(%r15), %r10
	mov 40(%r15), %r8
	mov 48(%r15), %r9
	syscall
	test %rax, %rax
	jnz 4f
	cmp $NR_clone, %ebp
	jne 4f
	/* We are the clone. */
	test $0x100, %edi
	jz process_start
	jmp thread_start
4:	mov %r15, %rcx
	sub %r12, %rcx
	shr $3, %rcx /* CMD_OP_SIZE / 8: the size of a result */
	movabs $(STUB_RES - CMD_OPS / 8), %rdx
	mov %rax, (%rcx, %rdx)
	cmp $-4095, %rax
	jb 6f
	test %r13d, %r13d
	jnz 6f
	neg %rax
	cmp $140, %eax
	jbe 5f
	mov $22, %eax
5:	mov %eax, %r13d
6:	add $CMD_OP_SIZE, %r15
	dec %ebx
	jmp 3b
8:	lea error_table(%rip), %rsi
	lea (%rsi, %r13, 8), %rsi
	mov $NR_write, %eax
	mov $STUB_FD_DONE, %edi
	mov $8, %edx
	syscall
	jmp helper

/* A guest thread begins here; r9: address of its area, r8: THREAD_*. */
thread_start:
	mov %r9, %r12
	mov %r8, %r13
	mov $NR_close_range, %eax
	mov $(STUB_FD_WAKE + 1), %edi
	mov $-1, %esi
	mov $2, %edx /* CLOSE_RANGE_UNSHARE */
	syscall
	must
	mov $NR_rt_sigprocmask, %eax
	mov $2, %edi
	lea no_signals(%rip), %rsi
	xor %edx, %edx
	mov $8, %r10d
	cmp $THREAD_PTRACE, %r13
	je 1f
	mov $NR_sigaltstack, %eax
	lea AREA_STACK(%r12), %rdi
	xor %esi, %esi
	syscall
	must
	mov $NR_sched_setaffinity, %eax
	xor %edi, %edi
	mov $128, %esi
	movabs $(STUB_AREAS + GLOBAL_CPUS), %rdx
	syscall
	mov $NR_rt_sigprocmask, %eax
	mov $2, %edi
	lea no_signals(%rip), %rsi
	xor %edx, %edx
	mov $8, %r10d
	syscall
	must
	/*
	 * From here on this thread makes host calls from the handler's page only. Syscall user dispatch (Linux 5.11) does that
	 * without a filter for each thread, whose set-up interrupts all CPUs.
	 */
	mov $NR_prctl, %eax
	mov $59, %edi /* PR_SET_SYSCALL_USER_DISPATCH */
	mov $1, %esi  /* PR_SYS_DISPATCH_ON, except in the range: */
	movabs $STUB_HANDLER, %rdx
	mov $STUB_HANDLER_SIZE, %r10d
	xor %r8d, %r8d /* no selector: always */
	syscall
	test %rax, %rax
	jz 3f
	mov $NR_seccomp, %eax
	mov $1, %edi
	xor %esi, %esi
	lea guest_program(%rip), %rdx
	syscall
	must
3:	/* Not allowed any more: parks this thread in its signal handler, in a frame that is then filled in. */
	mov $0x7fff, %eax
	syscall
	jmp die

1:	syscall
	must
	movl $STATE_STOPPED, (%r12)
2:	mov $NR_futex, %eax
	movabs $(STUB_AREAS + GLOBAL_ZERO), %rdi
	xor %esi, %esi
	xor %edx, %edx
	xor %r10d, %r10d
	syscall
	jmp 2b

die:
	ud2
	jmp die

/* Where a signal handler returns to. */
.text
restorer:
	mov $NR_rt_sigreturn, %eax
	syscall
	ud2

/*
 * Where a patched call site comes to, through its trampoline: a system call without a signal. r11: our area, which gs points
 * to as well; rcx: where the trampoline goes on, and 8 bytes before that lies the address behind the guest's syscall
 * instruction. Both registers are free, since the instruction overwrites them. Vector registers are not touched; flags are as the
 * guest left them. What is pushed becomes a struct user_regs_struct (without ss) at AREA_REGS.
 */
.globl call_entry, call_exit, call_exit_end, call_again
.balign 16
call_entry:
	mov %rsp, (AREA_REGS + 8 * REGS_RSP)(%r11)
	mov %rcx, AREA_CONT(%r11)
	lea (AREA_REGS + 8 * REGS_RSP)(%r11), %rsp
	pushfq
	cld
	push $0x33
	push -8(%rcx)
	push %rax
	push %rdi
	push %rsi
	push %rdx
	push -8(%rcx)
	push %rax
	push %r8
	push %r9
	push %r10
	push (AREA_REGS + 8 * REGS_EFLAGS)(%r11)
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	mov %r11, %rbx
	mov %r11, %rdi
	xor %esi, %esi
	call stub_call
/*
 * Back to the guest; eax: whether as the registers say, or else behind the call. From here to call_exit_end nothing is written
 * but registers, so that an interrupt can still stop the thread as if it had not left (handler.c).
 */
call_exit:
	cmpl $0, AREA_PENDING(%rbx)
	jne call_again
	lea AREA_REGS(%rbx), %rsp
	test %eax, %eax
	jnz 1f
.macro pop_registers
	.irp r, r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi
	pop %\r
	.endr
.endm
	pop_registers
	lea 24(%rsp), %rsp
	popfq
	mov (%rsp), %rsp
	jmp *%gs:AREA_CONT
1:	pop_registers
	lea 8(%rsp), %rsp
	iretq
call_exit_end:
/* Stops once more, for an interrupt. rbx: our area. */
call_again:
	cld
	lea AREA_REGS(%rbx), %rsp
	mov %rbx, %rdi
	mov $1, %esi
	call stub_call
	jmp call_exit

/* put_zeros(address): 1, having put 32 of them there, or 0: the handler of the fault has it go on at put_failed. */
.globl put_zeros, put_failed
put_zeros:
	xor %eax, %eax
	mov %rax, (%rdi)
	mov %rax, 8(%rdi)
	mov %rax, 16(%rdi)
	mov %rax, 24(%rdi)
	inc %eax
	ret
put_failed:
	xor %eax, %eax
	ret

.section .rodata, "a"
.balign 8
all_signals:
	.quad -1
no_signals:
	.quad 0
/* struct sigaction: handler, SA_SIGINFO|SA_ONSTACK|SA_RESTORER, restorer, all signals blocked meanwhile. */
action:
	.quad stub_handler, 0x0c000004, restorer, -1
wide_program:
	.quad WIDE_FILTER_LENGTH, wide_filter
guest_program:
	.quad GUEST_FILTER_LENGTH, guest_filter
/* Values for the completion eventfd: 1 + error number. */
error_table:
	.set i, 1
	.rept 141
	.quad i
	.set i, i + 1
	.endr
/* SIGILL SIGTRAP SIGBUS SIGFPE SIGUSR1 SIGSEGV SIGSYS */
signals:
	.byte 4, 5, 7, 8, 10, 11, 31, 0
.section .note.GNU-stack, "", @progbits

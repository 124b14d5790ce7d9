// The stack switch for x86-64, System V ABI.
//
// Layout of a suspended stack, from the saved stack pointer up; corothread/detail/switch.hpp asserts it:
//
//   offset  content
//   0x00    r15
//   0x08    r14
//   0x10    r13      a fresh stack: argument of the entry function
//   0x18    r12      a fresh stack: the entry function
//   0x20    rbx
//   0x28    rbp
//   0x30    return address; a fresh stack: evcoro_switch_entry
//
// Callee-saved general registers only. The x87 control word and MXCSR belong to the OS thread: a
// coroutine that changes them changes them for all.
//
// Two ways to arrive. evcoro_switch returns by ret: where coroutines park in the same places, as the
// threads of a server do, the processor's return predictions, made for the stack that was left, hold for
// the one that continues, all the way up. evcoro_switch_jump returns by an indirect jump: where two
// stacks alternate between two places, as a generator and its consumer do, those can be learned.
#if defined(__x86_64__) && !defined(EVCORO_SWITCH_UCONTEXT)

    .text

    .macro push_saved register
    pushq \register
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset \register, 0
    .endm

    .macro pop_saved register
    popq \register
    .cfi_adjust_cfa_offset -8
    .cfi_restore \register
    .endm

    .macro begin_function name, visibility=hidden
    .globl \name
    .ifc \visibility, hidden
    .hidden \name
    .endif
    .type \name, @function
    .p2align 5
\name:
    .cfi_startproc
    endbr64
    .endm

    .macro end_function name
    .cfi_endproc
    .size \name, . - \name
    .endm

    .macro save_registers
    push_saved %rbp
    push_saved %rbx
    push_saved %r12
    push_saved %r13
    push_saved %r14
    push_saved %r15
    .endm

    .macro restore_registers
    pop_saved %r15
    pop_saved %r14
    pop_saved %r13
    pop_saved %r12
    pop_saved %rbx
    pop_saved %rbp
    .endm

// unsigned evcoro_switch(void** save_here, void* resume_here, unsigned transfer)
//   rdi: where the stack pointer of the stack that is left is stored
//   rsi: the saved stack pointer of the stack to continue
//   edx: becomes the result of the call that had left it
// Once rsp has changed, the frame there has the same layout: what .cfi says of the one holds for the other.
begin_function evcoro_switch
    save_registers
    movl %edx, %eax
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    restore_registers
    ret
end_function evcoro_switch

// unsigned evcoro_switch_jump(void** save_here, void* resume_here, unsigned transfer): the same, see above.
begin_function evcoro_switch_jump, default
    save_registers
    movl %edx, %eax
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    restore_registers
    popq %rcx
    .cfi_adjust_cfa_offset -8
    .cfi_register %rip, %rcx
    notrack jmp *%rcx
end_function evcoro_switch_jump

// void evcoro_switch_last(void* resume_here, unsigned transfer, void (*first)(void*), void* argument)
//   rdi: the saved stack pointer of the stack to continue
//   esi: becomes the result of the call that had left it
//   rdx, rcx: called as rdx(rcx) on the stack that continues, before it does; rdx may be null
// The stack that is left can be freed by that call.
begin_function evcoro_switch_last
    movq %rdi, %rsp
    .cfi_def_cfa %rsp, 0x38
    .cfi_rel_offset %rbp, 0x28
    .cfi_rel_offset %rbx, 0x20
    .cfi_rel_offset %r12, 0x18
    .cfi_rel_offset %r13, 0x10
    .cfi_rel_offset %r14, 0x08
    .cfi_rel_offset %r15, 0x00
    movl %esi, %ebx
    testq %rdx, %rdx
    jz 1f
    movq %rcx, %rdi
    subq $8, %rsp         // a saved stack pointer is 8 short of a multiple of 16
    .cfi_adjust_cfa_offset 8
    call *%rdx
    addq $8, %rsp
    .cfi_adjust_cfa_offset -8
1:  movl %ebx, %eax
    restore_registers
    ret
end_function evcoro_switch_last

// The outermost frame of a stack. Calls r12(r13), which does not return. The return address
// is declared undefined, so that unwinders end their walk here.
    .globl evcoro_switch_entry
    .hidden evcoro_switch_entry
    .type evcoro_switch_entry, @function
    .p2align 4
    .cfi_startproc
    .cfi_undefined %rip
    nop                   // unwinders look up the address before the return address
evcoro_switch_entry:
    endbr64
    movq %r13, %rdi
    xorl %ebp, %ebp
    call *%r12
    ud2
    .cfi_endproc
    .size evcoro_switch_entry, . - evcoro_switch_entry

// Indirect branch tracking is served; shadow stacks are not, so the object doesn't claim them.
    .section .note.gnu.property, "a"
    .p2align 3
    .long 4
    .long 16
    .long 5
    .string "GNU"
    .long 0xc0000002      // GNU_PROPERTY_X86_FEATURE_1_AND
    .long 4
    .long 1               // IBT
    .long 0

#endif
    .section .note.GNU-stack, "", %progbits

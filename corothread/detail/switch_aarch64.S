// The stack switch for aarch64, AAPCS64.
//
// Layout of a suspended stack, from the saved stack pointer up; corothread/detail/switch.hpp asserts it:
//
//   offset  content
//   0x00    x29, x30  frame pointer, return address; a fresh stack: 0, evcoro_switch_entry
//   0x10    x19, x20  a fresh stack: the entry function, its argument
//   0x20    x21, x22
//   0x30    x23, x24
//   0x40    x25, x26
//   0x50    x27, x28
//   0x60    d8,  d9
//   0x70    d10, d11
//   0x80    d12, d13
//   0x90    d14, d15
//
// Callee-saved registers only. FPCR belongs to the OS thread: a coroutine that changes it changes it for
// all.
#if defined(__aarch64__) && !defined(EVCORO_SWITCH_UCONTEXT)

    .text

    .macro begin_function name
    .globl \name
    .hidden \name
    .type \name, %function
    .p2align 5
\name:
    .cfi_startproc
    hint #34              // bti c
    .endm

    .macro end_function name
    .cfi_endproc
    .size \name, . - \name
    .endm

    .macro describe_frame
    .cfi_def_cfa sp, 0xa0
    .cfi_rel_offset x29, 0x00
    .cfi_rel_offset x30, 0x08
    .cfi_rel_offset x19, 0x10
    .cfi_rel_offset x20, 0x18
    .cfi_rel_offset x21, 0x20
    .cfi_rel_offset x22, 0x28
    .cfi_rel_offset x23, 0x30
    .cfi_rel_offset x24, 0x38
    .cfi_rel_offset x25, 0x40
    .cfi_rel_offset x26, 0x48
    .cfi_rel_offset x27, 0x50
    .cfi_rel_offset x28, 0x58
    .endm

    .macro save_registers
    stp x29, x30, [sp, #-0xa0]!
    stp x19, x20, [sp, #0x10]
    stp x21, x22, [sp, #0x20]
    stp x23, x24, [sp, #0x30]
    stp x25, x26, [sp, #0x40]
    stp x27, x28, [sp, #0x50]
    stp d8, d9, [sp, #0x60]
    stp d10, d11, [sp, #0x70]
    stp d12, d13, [sp, #0x80]
    stp d14, d15, [sp, #0x90]
    describe_frame
    .endm

    .macro restore_registers
    ldp d14, d15, [sp, #0x90]
    ldp d12, d13, [sp, #0x80]
    ldp d10, d11, [sp, #0x70]
    ldp d8, d9, [sp, #0x60]
    ldp x27, x28, [sp, #0x50]
    ldp x25, x26, [sp, #0x40]
    ldp x23, x24, [sp, #0x30]
    ldp x21, x22, [sp, #0x20]
    ldp x19, x20, [sp, #0x10]
    ldp x29, x30, [sp], #0xa0
    .cfi_def_cfa sp, 0
    .irp register, x19, x20, x21, x22, x23, x24, x25, x26, x27, x28, x29, x30
    .cfi_restore \register
    .endr
    .endm

// unsigned evcoro_switch(void** save_here, void* resume_here, unsigned transfer)
//   x0: where the stack pointer of the stack that is left is stored
//   x1: the saved stack pointer of the stack to continue
//   w2: becomes the result of the call that had left it
// Once sp has changed, the frame there has the same layout: what .cfi says of the one holds for the other.
begin_function evcoro_switch
    save_registers
    mov x3, sp
    str x3, [x0]
    mov sp, x1
    mov w0, w2
    restore_registers
    ret
end_function evcoro_switch

// unsigned evcoro_switch_jump(void** save_here, void* resume_here, unsigned transfer): the same, but arrives by
// an indirect jump, which a processor predicts by where it came from; see switch_x86_64.S.
begin_function evcoro_switch_jump
    save_registers
    mov x3, sp
    str x3, [x0]
    mov sp, x1
    mov w0, w2
    restore_registers
    ret                   // x30 was just loaded, and return predictors take it from there
end_function evcoro_switch_jump

// void evcoro_switch_last(void* resume_here, unsigned transfer, void (*first)(void*), void* argument)
//   x0: the saved stack pointer of the stack to continue
//   w1: becomes the result of the call that had left it
//   x2, x3: called as x2(x3) on the stack that continues, before it does; x2 may be null
// The stack that is left can be freed by that call.
begin_function evcoro_switch_last
    mov sp, x0
    describe_frame
    mov w19, w1
    cbz x2, 1f
    mov x0, x3
    blr x2
1:  mov w0, w19
    restore_registers
    ret
end_function evcoro_switch_last

// The outermost frame of a stack. Calls x19(x20), which does not return. The return address
// is declared undefined, so that unwinders end their walk here.
    .globl evcoro_switch_entry
    .hidden evcoro_switch_entry
    .type evcoro_switch_entry, %function
    .p2align 4
    .cfi_startproc
    .cfi_undefined x30
    nop                   // unwinders look up the address before the return address
evcoro_switch_entry:
    hint #36              // bti j
    mov w0, w20
    mov x29, xzr
    mov x30, xzr
    blr x19
    brk #0
    .cfi_endproc
    .size evcoro_switch_entry, . - evcoro_switch_entry

// Branch target identification is served.
    .section .note.gnu.property, "a"
    .p2align 3
    .long 4
    .long 16
    .long 5
    .string "GNU"
    .long 0xc0000000      // GNU_PROPERTY_AARCH64_FEATURE_1_AND
    .long 4
    .long 1               // BTI
    .long 0

#endif
    .section .note.GNU-stack, "", %progbits

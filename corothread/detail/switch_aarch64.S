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

    // The registers of one pair of the frame, at offset.
    .macro describe_pair first, second, offset
    .cfi_rel_offset \first, \offset
    .cfi_rel_offset \second, \offset + 8
    .endm

    .macro save_pair first, second, offset
    stp \first, \second, [sp, #\offset]
    describe_pair \first, \second, \offset
    .endm

    .macro restore_pair first, second, offset
    ldp \first, \second, [sp, #\offset]
    .cfi_restore \first
    .cfi_restore \second
    .endm

    // operation: save_pair, restore_pair or describe_pair
    .macro for_pairs_from_x19 operation
    \operation x19, x20, 0x10
    \operation x21, x22, 0x20
    \operation x23, x24, 0x30
    \operation x25, x26, 0x40
    \operation x27, x28, 0x50
    \operation d8, d9, 0x60
    \operation d10, d11, 0x70
    \operation d12, d13, 0x80
    \operation d14, d15, 0x90
    .endm

    .macro save_registers
    stp x29, x30, [sp, #-0xa0]!
    .cfi_adjust_cfa_offset 0xa0
    describe_pair x29, x30, 0x00
    for_pairs_from_x19 save_pair
    .endm

    .macro restore_registers
    for_pairs_from_x19 restore_pair
    ldp x29, x30, [sp], #0xa0
    .cfi_adjust_cfa_offset -0xa0
    .cfi_restore x29
    .cfi_restore x30
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

// evcoro_switch_jump is the same function: return predictors follow x30, which was just loaded.
    .globl evcoro_switch_jump
    .type evcoro_switch_jump, %function
    .set evcoro_switch_jump, evcoro_switch

// void evcoro_switch_last(void* resume_here, unsigned transfer, void (*first)(void*), void* argument)
//   x0: the saved stack pointer of the stack to continue
//   w1: becomes the result of the call that had left it
//   x2, x3: called as x2(x3) on the stack that continues, before it does; x2 may be null
// The stack that is left can be freed by that call.
begin_function evcoro_switch_last
    mov sp, x0
    .cfi_def_cfa sp, 0xa0
    describe_pair x29, x30, 0x00
    for_pairs_from_x19 describe_pair
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
    mov x0, x20
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

/* Paint the stack, and later see how far down the paint is gone. None of this uses the stack. */
    .syntax unified
    .thumb

    .equ PAINT, 0x5AFE57AC

    .section .bss.vpr_stack, "aw", %nobits
    .balign 4
    .global vpr_stack_peak
vpr_stack_peak:
    .space 4
base:
    .space 4

    .section .text.vpr_stack_begin, "ax", %progbits
    .balign 4
    .global vpr_stack_begin
    .type vpr_stack_begin, %function
    .thumb_func
vpr_stack_begin:
    mov r1, sp
    ldr r0, =base
    str r1, [r0]
    ldr r0, =vpr_stack_bottom
    ldr r2, =PAINT
1:  str r2, [r0]
    adds r0, #4
    cmp r0, r1
    blo 1b
    bx lr
    .ltorg

    .section .text.vpr_stack_end, "ax", %progbits
    .balign 4
    .global vpr_stack_end
    .type vpr_stack_end, %function
    .thumb_func
vpr_stack_end:
    ldr r0, =vpr_stack_bottom
    ldr r1, =base
    ldr r1, [r1]
    ldr r2, =PAINT
1:  ldr r3, [r0]
    cmp r3, r2
    bne 2f
    adds r0, #4
    cmp r0, r1
    blo 1b
2:  subs r1, r1, r0
    ldr r0, =vpr_stack_peak
    ldr r2, [r0]
    cmp r1, r2
    bls 3f
    str r1, [r0]
3:  bx lr
    .ltorg

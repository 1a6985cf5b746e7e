/* vpr_mark on a stack of its own, so that a mark does not deepen the program's. */
    .syntax unified
    .thumb

    .section .rodata.vpr_mark, "a", %progbits
    .balign 4
    /* The emulator that counts by itself sets this to 1 before it starts. */
    .global vpr_mark_counted_outside
vpr_mark_counted_outside:
    .word 0

    .section .bss.vpr_own_stack, "aw", %nobits
    .balign 8
    .space 512
    .global vpr_own_stack_top
vpr_own_stack_top:

    .section .text.vpr_mark, "ax", %progbits
    .balign 4
    .global vpr_mark
    .type vpr_mark, %function
    .thumb_func
vpr_mark:
    ldr r1, =vpr_mark_counted_outside
    ldr r1, [r1]
    cmp r1, #0
    bne 1f
    mov r2, sp
    ldr r1, =vpr_own_stack_top
    mov sp, r1
    push {r2, lr}
    bl vpr_mark_record
    pop {r2, r3}
    mov sp, r2
    bx r3
1:  bx lr
    .ltorg
    .size vpr_mark, . - vpr_mark
    .global vpr_mark_end
vpr_mark_end:

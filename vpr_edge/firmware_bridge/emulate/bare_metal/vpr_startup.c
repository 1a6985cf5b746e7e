/* From reset to main: vectors, the FPU, memory, the clock; and what a fault leaves behind. */
#include "vpr_device.h"
#include "vpr_internal.h"

/* Placed by the linker script. */
extern uint32_t vpr_stack_bottom[], vpr_stack_top[];
extern const uint32_t vpr_data_load[], vpr_harness_data_load[];
extern uint32_t vpr_data_start[], vpr_data_end[];
extern uint32_t vpr_harness_data_start[], vpr_harness_data_end[];
extern uint32_t vpr_bss_start[], vpr_bss_end[];

int main(void);
void vpr_reset(void);
void vpr_fault(void);
void vpr_fault_report(const uint32_t *frame);
void vpr_systick(void);

volatile uint32_t vpr_systick_wraps;

typedef void (*handler)(void);

/* Every fault escalates to HardFault (3); of the interrupts only SysTick (15) is ever enabled. */
__attribute__((section(".vectors"), used)) static const handler vectors[16] = {
    (handler)vpr_stack_top, vpr_reset, vpr_fault, vpr_fault, vpr_fault, vpr_fault,
    vpr_fault,              vpr_fault, vpr_fault, vpr_fault, vpr_fault, vpr_fault,
    vpr_fault,              vpr_fault, vpr_fault, vpr_systick,
};

/* Kept apart and never inlined: it may use the FPU, which is off before. */
static __attribute__((noinline)) void prepare_memory(void)
{
    const uint32_t *from = vpr_data_load;
    for (uint32_t *to = vpr_data_start; to < vpr_data_end; ++to) {
        *to = *from++;
    }
    from = vpr_harness_data_load;
    for (uint32_t *to = vpr_harness_data_start; to < vpr_harness_data_end; ++to) {
        *to = *from++;
    }
    for (uint32_t *to = vpr_bss_start; to < vpr_bss_end; ++to) {
        *to = 0;
    }
}

#if __ARM_ARCH < 8
/* The MPS2 boards of Armv7-M ignore accesses to where they have nothing, which is what lies below
 * the stack; the memory protection unit (B3.5) lets none through to those 16 MiB. The boards of
 * Armv8-M fault by themselves. */
static void guard_stack(void)
{
    VPR_PROTECTION_BASE = (uint32_t)(uintptr_t)vpr_stack_bottom - (16u << 20);
    VPR_PROTECTION_SIZE = 23u << 1 | 1u; /* 2^(23 + 1) bytes, no access, on */
    VPR_PROTECTION_CONTROL = 5u; /* all else as without protection, on */
    __asm__ volatile("dsb\nisb" ::: "memory");
}
#endif

void vpr_reset(void)
{
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    VPR_COPROCESSORS |= 0xFu << 20;
    __asm__ volatile("dsb\nisb" ::: "memory");
#endif
#if defined(__ARM_ARCH_6M__)
    /* Armv6-M has no unaligned access; where a larger core runs this, make it trap as well. */
    VPR_CONFIGURATION |= 1u << 3;
#endif
#if __ARM_ARCH < 8
    guard_stack();
#endif
    prepare_memory();
    VPR_SYSTICK_RELOAD = 0xFFFFFFu;
    VPR_SYSTICK_VALUE = 0;
    VPR_SYSTICK_CONTROL = 7u; /* the core's clock, interrupt, on */
    /* Nothing between these two: what is counted for the first is a mark's own overhead. */
    vpr_mark(-1);
    vpr_mark(-1);
    vpr_stack_begin();
    vpr_exit(main());
}

void vpr_systick(void)
{
    ++vpr_systick_wraps;
}

/* The stack may be what failed, so the report is written on the one that marks have. */
__attribute__((naked)) void vpr_fault(void)
{
    __asm__ volatile("mov r0, sp\n"
                     "ldr r1, =vpr_own_stack_top\n"
                     "mov sp, r1\n"
                     "bl vpr_fault_report\n"
                     ".ltorg");
}

void vpr_fault_report(const uint32_t *frame)
{
    /* program counter, fault status, whether the stack itself overflowed */
    uint32_t fault[3] = {0, VPR_FAULT_STATUS, 1};
    if (frame >= vpr_stack_bottom && frame < vpr_stack_top) {
        fault[0] = frame[6];
        fault[2] = 0;
    }
    vpr_write("vpr.fault", fault, sizeof fault);
    vpr_stop();
}

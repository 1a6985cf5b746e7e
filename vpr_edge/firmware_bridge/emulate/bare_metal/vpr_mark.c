/* Marks by SysTick, for an emulator whose clock advances by one nanosecond an instruction.
 *
 * SysTick ticks once in tens of instructions. To tell instructions apart, each reading waits for
 * the next tick in a loop of known length and keeps how often it went round. A mark is entered at
 * the tick less the time spent waiting, and left at the tick that it waited for last. Interrupts are
 * off meanwhile; a wrap of the 24-bit counter that they hold up shows as pending.
 */
#include "vpr_device.h"
#include "vpr_internal.h"

#define PENDING_SYSTICK (1u << 26)

struct moment {
    uint32_t wraps, pending, value, rounds;
};

struct record {
    int32_t mark;
    struct moment entry, leave;
};

static struct record records[256];
static uint32_t recorded;

void vpr_mark_record(int32_t mark);

/* Always inlined: what runs between a reading and the program must not depend on the path. */
static inline __attribute__((always_inline)) struct moment now(void)
{
    struct moment m = {vpr_systick_wraps, 0, 0, 0};
    uint32_t before;
    __asm__ volatile(".syntax unified\n"
                     "ldr %[before], [%[systick]]\n"
                     "1: adds %[rounds], #1\n"
                     "ldr %[after], [%[systick]]\n"
                     "cmp %[before], %[after]\n"
                     "beq 1b"
                     : [before] "=&l"(before), [after] "=&l"(m.value), [rounds] "+&l"(m.rounds)
                     : [systick] "l"(&VPR_SYSTICK_VALUE)
                     : "cc");
    m.pending = VPR_INTERRUPT_STATE & PENDING_SYSTICK;
    return m;
}

void vpr_mark_record(int32_t mark)
{
    __asm__ volatile("cpsid i" ::: "memory");
    const struct moment entry = now();
    if (recorded == sizeof records / sizeof records[0]) {
        vpr_mark_flush();
    }
    struct record *record = &records[recorded++];
    record->mark = mark;
    record->entry = entry;
    /* Let the wrap that is pending be counted before the second reading. */
    __asm__ volatile("cpsie i\nisb\ncpsid i" ::: "memory");
    record->leave = now();
    __asm__ volatile("cpsie i" ::: "memory");
}

void vpr_mark_flush(void)
{
    if (recorded != 0) {
        vpr_write("vpr.marks", records, recorded * sizeof records[0]);
        recorded = 0;
    }
}

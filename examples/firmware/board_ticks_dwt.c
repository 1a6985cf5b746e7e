/* The cycle counter of a Cortex-M3, M4, M7, M33 or M55, for a board that leaves board_ticks to it.
 *
 * Registers: Armv7-M Architecture Reference Manual (DDI 0403), C1.6.5 and C1.8; Armv8-M alike.
 */
#include "board.h"

#ifndef CPU_HZ
#error "Pass the core's clock, such as -DCPU_HZ=120000000u"
#endif

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define DEMCR REGISTER(0xE000EDFCu)
#define TRACE_ENABLE (1u << 24)
#define DWT_CTRL REGISTER(0xE0001000u)
#define CYCLE_COUNT_ENABLE 1u
#define DWT_CYCCNT REGISTER(0xE0001004u)

uint32_t board_ticks(void)
{
    if ((DWT_CTRL & CYCLE_COUNT_ENABLE) == 0) {
        DEMCR |= TRACE_ENABLE;
        DWT_CTRL |= CYCLE_COUNT_ENABLE;
    }
    return DWT_CYCCNT;
}

uint32_t board_ticks_hz(void)
{
    return CPU_HZ;
}

/* The board is an emulated Cortex-M; its UART first says how many bytes are to come. */
#include "board.h"
#include "vpr_device.h"

int board_get(void)
{
    static uint32_t left;
    static int known;
    if (!known) {
        known = 1;
        for (uint32_t shift = 0; shift < 32; shift += 8) {
            left |= (uint32_t)vpr_uart_get() << shift;
        }
    }
    if (left == 0) {
        return -1;
    }
    --left;
    return vpr_uart_get();
}

void board_put(uint8_t byte)
{
    vpr_uart_put(byte);
}

uint32_t board_ticks(void)
{
    return 0;
}

uint32_t board_ticks_hz(void)
{
    return 0;
}

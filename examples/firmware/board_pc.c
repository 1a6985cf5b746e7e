/* The board is this PC: the serial line is standard input and output. */
#include <stdio.h>
#include <time.h>

#include "board.h"

int board_get(void)
{
    fflush(stdout);
    return getchar(); /* EOF is negative */
}

void board_put(uint8_t byte)
{
    putchar(byte);
}

uint32_t board_ticks(void)
{
    return (uint32_t)clock();
}

uint32_t board_ticks_hz(void)
{
    return (uint32_t)CLOCKS_PER_SEC;
}

/* What the firmware needs of a board. Port these functions and nothing else. */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

/* The next byte from the serial line; waits for it. Negative when there will be no more. */
int board_get(void);

/* Sends a byte; waits until the line takes it. */
void board_put(uint8_t byte);

/* A counter that runs up, such as the cycle counter; 0 always where there is none. */
uint32_t board_ticks(void);

/* How often it counts in a second; 0 where there is none. */
uint32_t board_ticks_hz(void);

#endif /* BOARD_H */

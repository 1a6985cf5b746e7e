/* The UART of Arm's CMSDK (DDI 0479, 4.3), as the MPS2 and MPS3 boards have it. */
#include "vpr_device.h"
#include "vpr_internal.h"

#define DATA VPR_REGISTER(VPR_UART_ADDRESS)
#define STATE VPR_REGISTER(VPR_UART_ADDRESS + 4u)
#define CONTROL VPR_REGISTER(VPR_UART_ADDRESS + 8u)
#define BAUD_DIVISOR VPR_REGISTER(VPR_UART_ADDRESS + 16u)
#define SECOND_DATA VPR_REGISTER(VPR_UART_ADDRESS + 0x1000u)

enum { TRANSMIT = 1, RECEIVE = 2 };

static void enable(void)
{
    if (CONTROL == 0) {
        BAUD_DIVISOR = 16;
        CONTROL = TRANSMIT | RECEIVE;
    }
}

/* QEMU looks for input only when something wakes it. Enabling the receiver does not, reading the
 * data register does: that of the board's second UART, for then no byte can get lost. */
static void ask_for_input(void)
{
    (void)SECOND_DATA;
    for (uint32_t i = 0; i < 1000 && (STATE & RECEIVE) == 0; ++i) {
    }
}

void vpr_uart_put(uint8_t byte)
{
    enable();
    while ((STATE & TRANSMIT) != 0) {
    }
    DATA = byte;
}

uint8_t vpr_uart_get(void)
{
    enable();
    while ((STATE & RECEIVE) == 0) {
        ask_for_input();
    }
    return (uint8_t)DATA;
}

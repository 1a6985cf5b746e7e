/* What a program on an emulated microcontroller may ask of it: files, a UART, marks, its end. */
#ifndef VPR_DEVICE_H
#define VPR_DEVICE_H

#include <stddef.h>
#include <stdint.h>

/* Up to this many file names a program. */
#define VPR_FILES 8

/* Reads on from where the last read of this file ended. Returns the number of bytes read: fewer
 * than count at the file's end, 0 where there is no such file. */
size_t vpr_read(const char *name, void *to, size_t count);

/* Appends to a file that the first call makes. Ends the program where that fails. */
void vpr_write(const char *name, const void *from, size_t count);

/* Ends the program; so does a return from main. */
__attribute__((noreturn)) void vpr_exit(int32_t status);

/* From here on, until the next mark, instructions are counted for mark i. The mark's own
 * instructions are not counted and it does not touch the program's stack. */
void vpr_mark(int32_t i);

/* Instead of all of main, measure the stack that is used below the caller between begin and end;
 * of several such stretches the deepest counts. */
void vpr_stack_begin(void);
void vpr_stack_end(void);

/* One byte to the UART; the next byte from it, waiting until there is one. */
void vpr_uart_put(uint8_t byte);
uint8_t vpr_uart_get(void);

#endif /* VPR_DEVICE_H */

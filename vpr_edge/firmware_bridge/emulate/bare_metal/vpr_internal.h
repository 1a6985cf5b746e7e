/* What the parts of the device share with each other, not with the program. */
#ifndef VPR_INTERNAL_H
#define VPR_INTERNAL_H

#include <stdint.h>

#define VPR_REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))

/* Armv7-M Architecture Reference Manual, B3.2 and B3.3. */
#define VPR_SYSTICK_CONTROL VPR_REGISTER(0xE000E010u)
#define VPR_SYSTICK_RELOAD VPR_REGISTER(0xE000E014u)
#define VPR_SYSTICK_VALUE VPR_REGISTER(0xE000E018u)
#define VPR_INTERRUPT_STATE VPR_REGISTER(0xE000ED04u)
#define VPR_CONFIGURATION VPR_REGISTER(0xE000ED14u)
#define VPR_FAULT_STATUS VPR_REGISTER(0xE000ED28u)
#define VPR_PROTECTION_CONTROL VPR_REGISTER(0xE000ED94u)
#define VPR_PROTECTION_BASE VPR_REGISTER(0xE000ED9Cu)
#define VPR_PROTECTION_SIZE VPR_REGISTER(0xE000EDA0u)
#define VPR_COPROCESSORS VPR_REGISTER(0xE000ED88u)

/* The deepest stretch of stack so far, bytes; 0 before the first. */
extern uint32_t vpr_stack_peak;

/* How often SysTick has passed 0. */
extern volatile uint32_t vpr_systick_wraps;

/* Writes the marks that are still in memory to the host. */
void vpr_mark_flush(void);

/* Ends the program without a report. */
__attribute__((noreturn)) void vpr_stop(void);

#endif /* VPR_INTERNAL_H */

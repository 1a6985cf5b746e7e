/* Calls to the host, as Arm's "Semihosting for AArch32 and AArch64" defines them. */
#ifndef VPR_SEMIHOSTING_H
#define VPR_SEMIHOSTING_H

#include <stdint.h>

enum {
    VPR_SYS_OPEN = 0x01,
    VPR_SYS_WRITE = 0x05,
    VPR_SYS_READ = 0x06,
    VPR_SYS_EXIT_EXTENDED = 0x20
};

/* Modes of SYS_OPEN: those of fopen, in binary. */
enum { VPR_OPEN_READ = 1, VPR_OPEN_WRITE = 5 };

/* The reason that SYS_EXIT_EXTENDED gives for an ordinary end. */
#define VPR_APPLICATION_EXIT 0x20026u

static inline uint32_t vpr_semihost(uint32_t operation, const uint32_t *arguments)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const uint32_t *r1 __asm__("r1") = arguments;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

#endif /* VPR_SEMIHOSTING_H */

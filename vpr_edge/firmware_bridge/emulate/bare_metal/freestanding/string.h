/* The part of string.h that generated code uses, for a compiler that comes without a C library. */
#ifndef VPR_FREESTANDING_STRING_H
#define VPR_FREESTANDING_STRING_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t count);
void *memmove(void *to, const void *from, size_t count);
void *memset(void *to, int value, size_t count);
int memcmp(const void *a, const void *b, size_t count);

#endif /* VPR_FREESTANDING_STRING_H */

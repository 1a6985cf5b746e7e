/* Copying, filling and comparing, in words where both addresses allow it. */
#include "string.h"

#include <stdint.h>

/* Words may alias whatever the bytes are. */
typedef uint32_t __attribute__((may_alias)) word;

static int aligned(const void *a, const void *b)
{
    return (((uintptr_t)a | (uintptr_t)b) & 3u) == 0;
}

/* From the lowest address on; not restrict, so that memmove may use it too. */
static void copy_forward(uint8_t *t, const uint8_t *f, size_t count)
{
    if ((((uintptr_t)t ^ (uintptr_t)f) & 3u) == 0) {
        for (; count != 0 && !aligned(t, f); --count) {
            *t++ = *f++;
        }
        word *tw = (word *)(void *)t;
        const word *fw = (const word *)(const void *)f;
        for (; count >= 16; count -= 16) {
            const word a = fw[0], b = fw[1], c = fw[2], d = fw[3];
            tw[0] = a;
            tw[1] = b;
            tw[2] = c;
            tw[3] = d;
            tw += 4;
            fw += 4;
        }
        t = (uint8_t *)tw;
        f = (const uint8_t *)fw;
    }
    for (; count != 0; --count) {
        *t++ = *f++;
    }
}

void *memcpy(void *restrict to, const void *restrict from, size_t count)
{
    copy_forward(to, from, count);
    return to;
}

void *memmove(void *to, const void *from, size_t count)
{
    uint8_t *t = to;
    const uint8_t *f = from;
    if ((uintptr_t)t - (uintptr_t)f >= count) {
        copy_forward(t, f, count);
        return to;
    }
    while (count != 0) {
        --count;
        t[count] = f[count];
    }
    return to;
}

void *memset(void *to, int value, size_t count)
{
    uint8_t *t = to;
    for (; count != 0 && !aligned(t, t); --count) {
        *t++ = (uint8_t)value;
    }
    const word four = (uint8_t)value * 0x01010101u;
    word *w = (word *)(void *)t;
    for (; count >= 4; count -= 4) {
        *w++ = four;
    }
    t = (uint8_t *)w;
    for (; count != 0; --count) {
        *t++ = (uint8_t)value;
    }
    return to;
}

int memcmp(const void *a, const void *b, size_t count)
{
    const uint8_t *x = a, *y = b;
    for (; count != 0; --count, ++x, ++y) {
        if (*x != *y) {
            return *x < *y ? -1 : 1;
        }
    }
    return 0;
}

/* What every kernel needs: inlining, requantisation, clamping, unaligned words.
 *
 * Right shifts of negative numbers are taken to be arithmetic, as every compiler for a
 * microcontroller makes them.
 */
#ifndef VPR_COMMON_H
#define VPR_COMMON_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A kernel is inlined into each layer's function, where its shape is a compile-time constant. */
#if defined(__GNUC__) || defined(__clang__)
#define VPR_INLINE static inline __attribute__((always_inline))
#else
#define VPR_INLINE static inline
#endif

/* A function that is all assembly, its arguments where the calling convention puts them. */
#if defined(__clang__)
#define VPR_NAKED __attribute__((naked, noinline, unused))
#define VPR_UNUSED __attribute__((unused))
#elif defined(__GNUC__)
#define VPR_NAKED __attribute__((naked, noinline, noclone, unused))
#define VPR_UNUSED __attribute__((unused))
#endif

/* A function that layers share. */
#if defined(__GNUC__) || defined(__clang__)
#define VPR_APART __attribute__((noinline, unused))
#else
#define VPR_APART
#endif

/* -DVPR_PORTABLE_ONLY turns the fast variants off, to compare with them. */
#if !defined(VPR_PORTABLE_ONLY) && (defined(__GNUC__) || defined(__clang__))
#if defined(__ARM_FEATURE_MVE) && (__ARM_FEATURE_MVE & 1)
#define VPR_MVE 1
#endif
/* Its inline assembly needs the registers that only an optimised build leaves free. */
#if defined(__ARM_FEATURE_DSP) && defined(__ARM_FEATURE_SIMD32) && defined(__OPTIMIZE__)
#define VPR_DSP 1
#endif
#if defined(__ARM_ARCH_ISA_THUMB) && __ARM_ARCH_ISA_THUMB == 1
#define VPR_SMALL 1
#endif
#if defined(__AVX2__)
#define VPR_AVX2 1
#endif
/* Of all 14 registers that these want clang keeps some for itself. */
#if defined(VPR_DSP) && !defined(VPR_MVE) && !defined(__clang__)
#define VPR_PLANES 1
#endif
#endif

/* The output's zero point and the range of its fused activation, all within its integer type. */
struct vpr_range {
    int32_t zero_point, low, high;
};

/* What a layer with weights has by output channel. */
struct vpr_channels {
    const int8_t *weights;
    const int32_t *bias;
    const int32_t *multiplier;
    const int8_t *shift;
    int32_t right_only; /* whether all shifts are in [-31, -2]; a compile-time constant */
};

/* The high half of 2 a b, rounded: gemmlowp's saturating rounding doubling high multiplication
 * for b >= 0, where it cannot saturate. */
VPR_INLINE int32_t vpr_high_mul(int32_t a, int32_t b)
{
#if defined(__ARM_ARCH_ISA_THUMB) && __ARM_ARCH_ISA_THUMB == 1
    /* Cores without a long multiplication, by halves: the compiler's function for it takes three
     * times as long. */
    const uint32_t a_low = (uint32_t)a & 0xFFFFu, b_low = (uint32_t)b & 0xFFFFu;
    const int32_t a_high = a >> 16, b_high = b >> 16;
    const uint32_t low = a_low * b_low;
    const uint32_t middle = a_low * (uint32_t)b_high + (low >> 16);
    const int32_t other = a_high * (int32_t)b_low + (int32_t)(middle & 0xFFFFu);
    const int32_t high = a_high * b_high + (int32_t)(middle >> 16) + (other >> 16);
    /* Bits 30 and 31 of the product. */
    const uint32_t bits = ((uint32_t)other >> 14) & 3u;
    return (int32_t)(((uint32_t)high << 1) + ((bits + 1) >> 1));
#else
    return (int32_t)(((int64_t)a * b + ((int64_t)1 << 30)) >> 31);
#endif
}

/* x / 2^exponent, rounded to nearest and half away from zero; exponent in [0, 31]. */
VPR_INLINE int32_t vpr_shift_right(int32_t x, int32_t exponent)
{
    if (exponent == 0) {
        return x;
    }
    return (int32_t)(((int64_t)x + (x >> 31) + ((int64_t)1 << (exponent - 1))) >> exponent);
}

/* x * multiplier * 2^(shift - 31): TFLite's MultiplyByQuantizedMultiplier with two roundings. */
VPR_INLINE int32_t vpr_requantize(int32_t x, int32_t multiplier, int32_t shift)
{
    if (shift > 0) {
        return vpr_high_mul((int32_t)((uint32_t)x << shift), multiplier);
    }
    const int32_t y = vpr_high_mul(x, multiplier);
    if (shift == 0) {
        return y;
    }
    /* Half away from zero once 1 is taken off negative numbers; y is no least number. */
    return (((y + (y >> 31)) >> (-shift - 1)) + 1) >> 1;
}

VPR_INLINE int32_t vpr_clamp(int32_t x, int32_t low, int32_t high)
{
    x = x < low ? low : x;
    return x > high ? high : x;
}

/* Requantise, add the zero point, clamp. */
VPR_INLINE int8_t vpr_to_s8(int32_t x, int32_t multiplier, int32_t shift,
                            const struct vpr_range range)
{
    return (int8_t)vpr_clamp(vpr_requantize(x, multiplier, shift) + range.zero_point, range.low,
                             range.high);
}

/* Clamps outputs that a kernel has only saturated to int8. */
VPR_INLINE void vpr_narrow_s8(int8_t *output, int32_t count, const struct vpr_range range)
{
    if (range.low == -128 && range.high == 127) {
        return;
    }
    for (int32_t k = 0; k < count; ++k) {
        output[k] = (int8_t)vpr_clamp(output[k], range.low, range.high);
    }
}

/* Four bytes from any address. */
VPR_INLINE uint32_t vpr_load_u32(const int8_t *from)
{
    uint32_t word;
    memcpy(&word, from, sizeof word);
    return word;
}

#endif /* VPR_COMMON_H */

/* The Armv7E-M instructions that the DSP kernels are built on, by their own names. */
#ifndef VPR_DSP_H
#define VPR_DSP_H

#include "vpr_common.h"

/* Bytes 0 and 2 of x, sign-extended to halfwords, each added to a halfword of `to`. */
VPR_INLINE uint32_t vpr_sxtab16(uint32_t to, uint32_t x)
{
    uint32_t result;
    __asm__("sxtab16 %0, %1, %2" : "=r"(result) : "r"(to), "r"(x));
    return result;
}

/* Likewise bytes 1 and 3. */
VPR_INLINE uint32_t vpr_sxtab16_ror8(uint32_t to, uint32_t x)
{
    uint32_t result;
    __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(result) : "r"(to), "r"(x));
    return result;
}

/* Bytes 0 and 2 of x, sign-extended to halfwords. */
VPR_INLINE uint32_t vpr_sxtb16(uint32_t x)
{
    uint32_t result;
    __asm__("sxtb16 %0, %1" : "=r"(result) : "r"(x));
    return result;
}

/* Bytes 1 and 3 of x, sign-extended to halfwords. */
VPR_INLINE uint32_t vpr_sxtb16_ror8(uint32_t x)
{
    uint32_t result;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(result) : "r"(x));
    return result;
}

/* sum + a.low * b.low + a.high * b.high, all signed halfwords. */
VPR_INLINE int32_t vpr_smlad(uint32_t a, uint32_t b, int32_t sum)
{
    int32_t result;
    __asm__("smlad %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}

/* sum + a.low * b.low. */
VPR_INLINE int32_t vpr_smlabb(uint32_t a, uint32_t b, int32_t sum)
{
    int32_t result;
    __asm__("smlabb %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}

/* sum + a.high * b.high. */
VPR_INLINE int32_t vpr_smlatt(uint32_t a, uint32_t b, int32_t sum)
{
    int32_t result;
    __asm__("smlatt %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}

/* The high word of a b, rounded. */
VPR_INLINE int32_t vpr_smmulr(int32_t a, int32_t b)
{
    int32_t result;
    __asm__("smmulr %0, %1, %2" : "=r"(result) : "r"(a), "r"(b));
    return result;
}

/* sum plus the high word of a b, rounded. */
VPR_INLINE int32_t vpr_smmlar(int32_t a, int32_t b, int32_t sum)
{
    int32_t result;
    __asm__("smmlar %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}

/* Saturated to int8. */
VPR_INLINE int32_t vpr_ssat8(int32_t x)
{
    int32_t result;
    __asm__("ssat %0, #8, %1" : "=r"(result) : "r"(x));
    return result;
}

/* vpr_requantize for |x| < 2^30 and shift in [-31, -2], plus `to`. The doubling high multiplication
 * is one SMMULR of 2 x; the rounding shift is a high multiplication too, by 2^(32 + shift), once 1
 * is taken off negative numbers. */
VPR_INLINE int32_t vpr_requantize_dsp(int32_t x, int32_t multiplier, int32_t shift, int32_t to)
{
    const int32_t y = vpr_smmulr((int32_t)((uint32_t)x << 1), multiplier);
    return vpr_smmlar(y + (y >> 31), (int32_t)(1u << (32 + shift)), to);
}

VPR_INLINE int8_t vpr_saturate_dsp_s8(int32_t x, const struct vpr_range range)
{
    if (range.low == -128 && range.high == 127) {
        return (int8_t)vpr_ssat8(x);
    }
    return (int8_t)vpr_clamp(x, range.low, range.high);
}

/* vpr_to_s8 for |x| < 2^30 and output channel o. */
VPR_INLINE int8_t vpr_output_dsp_s8(int32_t x, const struct vpr_channels c, int32_t o,
                                    const struct vpr_range range)
{
    if (!c.right_only) {
        return vpr_to_s8(x, c.multiplier[o], c.shift[o], range);
    }
    const int32_t y = vpr_requantize_dsp(x, c.multiplier[o], c.shift[o], range.zero_point);
    return vpr_saturate_dsp_s8(y, range);
}

#endif /* VPR_DSP_H */

/* CONV_2D, int8, with Helium, from a stream of weights and constants: two pixels by four output
 * channels at a time (vpr_product_mve_s8.h).
 *
 * Scratch: four patches, unless the kernel is 1x1 with stride 1, which reads the input itself.
 */
#ifndef VPR_CONV_STREAMED_MVE_S8_H
#define VPR_CONV_STREAMED_MVE_S8_H

#include "vpr_product_mve_s8.h"

/* All output channels of `pixels` pixels whose taps lie `step` bytes apart from `from` on. */
VPR_INLINE void vpr_conv_pixels_mve_s8(const struct vpr_conv s, const int8_t *from, int32_t step,
                                       int32_t pixels, const void *stream,
                                       const struct vpr_range range, int8_t *output)
{
    const int32_t taps = vpr_conv_taps(s), blocks = (taps - 1) / VPR_CONV_BLOCK;
    const int32_t groups = s.out_channels / 4, rest = s.out_channels - 4 * groups;
    const int8_t *const last = (const int8_t *)stream + groups * (4 * s.depth + 48);
    struct vpr_product p = {from,
                            from + step,
                            stream,
                            output,
                            output + s.out_channels,
                            0,
                            groups,
                            blocks,
                            taps - blocks * VPR_CONV_BLOCK,
                            s.depth - blocks * VPR_CONV_BLOCK,
                            2 * step,
                            s.out_channels,
                            range.zero_point};
    /* What is left over of the channels has its outputs elsewhere, a pair of pixels at a time. */
    const int32_t at_once = rest == 0 ? pixels / 2 : 1;
    for (int32_t left = pixels; left > 0;) {
        if (left == 1) {
            p.b = p.a;
            p.output_b = p.output_a;
        }
        p.pairs = left == 1 ? 1 : at_once;
        const int32_t done = left == 1 ? 1 : 2 * at_once;
        if (groups > 0) {
            vpr_product_mve_s8(&p, range);
        }
        if (rest > 0) {
            int8_t four[8];
            struct vpr_product q = p;
            q.stream = last;
            q.groups = 1;
            q.output_a = four;
            q.output_b = four + 4;
            vpr_product_mve_s8(&q, range);
            memcpy(p.output_a + 4 * groups, four, (size_t)rest);
            memcpy(p.output_b + 4 * groups, four + 4, (size_t)rest);
        }
        p.a += done * step;
        p.b = p.a + step;
        p.output_a += done * s.out_channels;
        p.output_b = p.output_a + s.out_channels;
        left -= done;
    }
}

VPR_INLINE void vpr_conv_streamed_mve_s8(const struct vpr_conv s, const int8_t *input,
                                         int8_t zero_point, const void *stream,
                                         const struct vpr_range range, int8_t *output,
                                         void *scratch)
{
    enum { PATCHES = 4 };
    const int32_t pixels = s.out_rows * s.out_columns;
    int8_t *const patches = (int8_t *)scratch;
    if (vpr_conv_is_pointwise(s)) {
        vpr_conv_pixels_mve_s8(s, input, s.in_channels, pixels, stream, range, output);
    } else {
        int32_t x = 0, y = 0;
        for (int32_t done = 0; done < pixels; done += PATCHES) {
            const int32_t count = pixels - done < PATCHES ? pixels - done : PATCHES;
            for (int32_t i = 0; i < count; ++i) {
                vpr_conv_patch_s8(s, input, y, x, zero_point, patches + i * s.depth);
                if (++x == s.out_columns) {
                    x = 0;
                    ++y;
                }
            }
            vpr_conv_pixels_mve_s8(s, patches, s.depth, count, stream, range,
                                   output + done * s.out_channels);
        }
    }
    vpr_narrow_s8(output, pixels * s.out_channels, range);
}

#endif /* VPR_CONV_STREAMED_MVE_S8_H */

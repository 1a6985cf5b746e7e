/* CONV_2D, int8, for cores of Armv6-M and Armv8-M Baseline: one pixel by four output channels.
 *
 * These load a byte with its sign by a register's offset only, but without it by a constant one; so
 * the weights are raised by 128, and 128 times the sum of a pixel's taps is taken off again, once
 * for all output channels. Weights lie by groups of four output channels, tap by tap, without filling
 * but for the last group.
 *
 * Scratch: one patch, unless the kernel is 1x1 with stride 1, which reads the input itself.
 */
#ifndef VPR_CONV_SMALL_S8_H
#define VPR_CONV_SMALL_S8_H

/* Adds the products of `taps` taps with the raised weights of four channels. A function of its own,
 * as a copy in each layer would be larger and no faster. */
static VPR_APART void vpr_taps_small_s8(const int8_t *x, const uint8_t *w, int32_t taps,
                                        int32_t sums[4])
{
    int32_t a = sums[0], b = sums[1], c = sums[2], d = sums[3];
    for (; taps >= 8; taps -= 8) {
        for (int32_t k = 0; k < 8; ++k) {
            const int32_t value = x[k];
            a += value * w[4 * k];
            b += value * w[4 * k + 1];
            c += value * w[4 * k + 2];
            d += value * w[4 * k + 3];
        }
        x += 8;
        w += 32;
    }
    for (; taps > 0; --taps) {
        const int32_t value = *x++;
        a += value * w[0];
        b += value * w[1];
        c += value * w[2];
        d += value * w[3];
        w += 4;
    }
    sums[0] = a;
    sums[1] = b;
    sums[2] = c;
    sums[3] = d;
}

/* All output channels of one pixel. */
static VPR_APART void vpr_conv_pixel_small_s8(const int8_t *patch, int32_t taps, int32_t outputs,
                                              const struct vpr_matrix *m,
                                              const struct vpr_range *range, int8_t *output)
{
    const uint8_t *w = (const uint8_t *)m->weights;
    const int32_t *c = m->constants;
    int32_t raised = 0;
    for (int32_t k = 0; k < taps; ++k) {
        raised += patch[k];
    }
    raised *= 128;
    for (int32_t o = 0; o < outputs; o += 4) {
        int32_t sums[4] = {c[0] - raised, c[1] - raised, c[2] - raised, c[3] - raised};
        vpr_taps_small_s8(patch, w, taps, sums);
        for (int32_t k = 0; k < 4 && o + k < outputs; ++k) {
            output[o + k] = vpr_to_s8(sums[k], c[4 + k], c[8 + k], *range);
        }
        w += 4 * taps;
        c += 12;
    }
}

VPR_INLINE void vpr_conv_s8(const struct vpr_conv s, const int8_t *input, int32_t input_zero_point,
                            const struct vpr_matrix m, const struct vpr_range range,
                            int8_t *output, void *scratch)
{
    for (int32_t y = 0; y < s.out_rows; ++y) {
        for (int32_t x = 0; x < s.out_columns; ++x) {
            const int8_t *patch = input + (y * s.in_columns + x) * s.in_channels;
            if (!vpr_conv_is_pointwise(s)) {
                vpr_conv_patch_s8(s, input, y, x, (int8_t)input_zero_point, (int8_t *)scratch);
                patch = (const int8_t *)scratch;
            }
            vpr_conv_pixel_small_s8(patch, vpr_conv_taps(s), s.out_channels, &m, &range, output);
            output += s.out_channels;
        }
    }
}

#endif /* VPR_CONV_SMALL_S8_H */

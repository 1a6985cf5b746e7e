/* CONV_2D, int8, in portable C: one pixel and one output channel at a time.
 *
 * Scratch: one patch, unless the kernel is 1x1 with stride 1, which reads the input itself.
 */
#ifndef VPR_CONV_PORTABLE_S8_H
#define VPR_CONV_PORTABLE_S8_H

VPR_INLINE void vpr_conv_s8(const struct vpr_conv s, const int8_t *input, int32_t input_zero_point,
                            const struct vpr_channels c, const struct vpr_range range,
                            int8_t *output, void *scratch)
{
    const int32_t depth = vpr_conv_depth(s);
    for (int32_t y = 0; y < s.out_rows; ++y) {
        for (int32_t x = 0; x < s.out_columns; ++x) {
            const int8_t *patch = input + (y * s.in_columns + x) * s.in_channels;
            if (!vpr_conv_is_pointwise(s)) {
                vpr_conv_patch_s8(s, input, y, x, (int8_t)input_zero_point, (int8_t *)scratch);
                patch = (const int8_t *)scratch;
            }
            const int8_t *weights = c.weights;
            for (int32_t o = 0; o < s.out_channels; ++o) {
                int32_t sum = c.bias[o];
                for (int32_t k = 0; k < depth; ++k) {
                    sum += patch[k] * weights[k];
                }
                *output++ = vpr_to_s8(sum, c.multiplier[o], c.shift[o], range);
                weights += s.weight_stride;
            }
        }
    }
}

#endif /* VPR_CONV_PORTABLE_S8_H */

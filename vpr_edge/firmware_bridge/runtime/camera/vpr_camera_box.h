/* Shrinking by whole factors: the mean of a box of pixels, summed in integers.
 *
 * OpenCV's INTER_AREA rounds the mean of 2x2 pixels half up; for other boxes it multiplies the sum
 * by the float 1 / count and rounds half to even. So does this.
 */
#ifndef VPR_CAMERA_BOX_H
#define VPR_CAMERA_BOX_H

#include "vpr_camera_state.h"

VPR_INLINE int32_t vpr_camera_mean(int32_t sum, int32_t across, int32_t down)
{
    if (across == 2 && down == 2) {
        return (sum + 2) >> 2;
    }
    return vpr_camera_round((float)sum * (1.0f / (float)(across * down)));
}

VPR_INLINE void vpr_camera_box_row(struct vpr_camera *camera, enum vpr_camera_format format,
                                   const uint8_t *row, int8_t *input)
{
    const int32_t across = camera->width / camera->input_width;
    const int32_t down = camera->height / camera->input_height;
    const int32_t channels = vpr_camera_channels(format);
    const int32_t first = camera->row % down == 0, last = camera->row % down == down - 1;
    union vpr_camera_word *sums = camera->work;
    for (int32_t x = 0; x < camera->input_width; ++x, sums += channels) {
        int32_t box[3] = {0, 0, 0}, pixel[3];
        for (int32_t i = 0; i < across; ++i) {
            vpr_camera_pixel(format, row, x * across + i, pixel);
            for (int32_t c = 0; c < channels; ++c) {
                box[c] += pixel[c];
            }
        }
        for (int32_t c = 0; c < channels; ++c) {
            sums[c].integer = box[c] + (first ? 0 : sums[c].integer);
            if (last) {
                const int32_t mean = vpr_camera_mean(sums[c].integer, across, down);
                vpr_camera_put(camera, format, x, c, mean, input);
            }
        }
    }
    camera->done += last;
}

#endif /* VPR_CAMERA_BOX_H */

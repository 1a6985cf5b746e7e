/* Bilinear resizing for frames lower or narrower than the input, with OpenCV's INTER_LINEAR
 * arithmetic for bytes: positions in single precision, weights of 11 fractional bits, and the two
 * truncations of its vertical pass.
 */
#ifndef VPR_CAMERA_LINEAR_H
#define VPR_CAMERA_LINEAR_H

#include "vpr_camera_state.h"

/* Between two pixels of the frame: the first one's index, from -1 on, and both weights * 2^11. */
struct vpr_camera_between {
    int32_t from, near, far;
};

VPR_INLINE struct vpr_camera_between vpr_camera_position(int32_t to, int32_t size, int32_t parts)
{
    const float at = (float)((2 * to + 1) * size - parts) / (float)(2 * parts);
    struct vpr_camera_between p = {(int32_t)at, 0, 0};
    p.from -= at < (float)p.from;
    const float rest = at - (float)p.from;
    p.near = vpr_camera_round((1.0f - rest) * 2048.0f);
    p.far = vpr_camera_round(rest * 2048.0f);
    return p;
}

VPR_INLINE void vpr_camera_linear_columns(const struct vpr_camera *camera,
                                          enum vpr_camera_format format, const uint8_t *row,
                                          union vpr_camera_word *mixed)
{
    const int32_t channels = vpr_camera_channels(format), last = camera->width - 1;
    for (int32_t x = 0; x < camera->input_width; ++x, mixed += channels) {
        const struct vpr_camera_between p =
            vpr_camera_position(x, camera->width, camera->input_width);
        int32_t near[3], far[3];
        vpr_camera_pixel(format, row, vpr_clamp(p.from, 0, last), near);
        vpr_camera_pixel(format, row, vpr_clamp(p.from + 1, 0, last), far);
        for (int32_t c = 0; c < channels; ++c) {
            mixed[c].integer = p.near * near[c] + p.far * far[c];
        }
    }
}

VPR_INLINE void vpr_camera_linear_row(struct vpr_camera *camera, enum vpr_camera_format format,
                                      const uint8_t *row, int8_t *input)
{
    const int32_t channels = vpr_camera_channels(format), last = camera->height - 1;
    const int32_t count = camera->input_width * channels;
    vpr_camera_linear_columns(camera, format, row, camera->work + (camera->row & 1) * count);
    for (; camera->done < camera->input_height; ++camera->done) {
        const struct vpr_camera_between p =
            vpr_camera_position(camera->done, camera->height, camera->input_height);
        if (vpr_clamp(p.from + 1, 0, last) != camera->row) {
            return;
        }
        const union vpr_camera_word *near = camera->work + (vpr_clamp(p.from, 0, last) & 1) * count;
        const union vpr_camera_word *far = camera->work + (camera->row & 1) * count;
        for (int32_t i = 0; i < count; ++i) {
            const int32_t pixel = ((p.near * (near[i].integer >> 4) >> 16) +
                                   (p.far * (far[i].integer >> 4) >> 16) + 2) >> 2;
            vpr_camera_put(camera, format, i / channels, i % channels, pixel, input);
        }
    }
}

#endif /* VPR_CAMERA_LINEAR_H */

/* Shrinking by any factor: the mean over the area that a pixel of the input covers.
 *
 * Along one axis a frame of `size` pixels is cut into `size` * `parts` equal pieces, where the input
 * has `parts` pixels: a pixel of the frame is `parts` pieces wide, one of the input `size`. The
 * weight of one in the other is their common pieces / `size`, one rounded float division. The sums
 * are in single precision and in the order of OpenCV's INTER_AREA (first along the row, then down),
 * so that they round alike; no multiplication may be fused with an addition.
 */
#ifndef VPR_CAMERA_AREA_H
#define VPR_CAMERA_AREA_H

#include "vpr_camera_state.h"

/* The weight of the frame's pixel `from` in the input's pixel `to`; they overlap. */
VPR_INLINE float vpr_camera_weight(int32_t from, int32_t to, int32_t size, int32_t parts)
{
    const int32_t begin = from * parts > to * size ? from * parts : to * size;
    const int32_t from_end = (from + 1) * parts, to_end = (to + 1) * size;
    return (float)((from_end < to_end ? from_end : to_end) - begin) / (float)size;
}

/* Where a float lives that the compiler must take for changed. */
#if defined(__arm__) && defined(__ARM_FP)
#define VPR_CAMERA_FLOAT "+t"
#elif defined(__x86_64__)
#define VPR_CAMERA_FLOAT "+x"
#else
#define VPR_CAMERA_FLOAT "+m"
#endif

/* sum + value * weight with the product rounded, whatever -ffp-contract says. */
VPR_INLINE float vpr_camera_add(float sum, float value, float weight)
{
#if defined(__GNUC__) || defined(__clang__)
    float product = value * weight;
    __asm__("" : VPR_CAMERA_FLOAT(product));
#else
    const volatile float product = value * weight;
#endif
    return sum + product;
}

VPR_INLINE void vpr_camera_area_columns(const struct vpr_camera *camera,
                                        enum vpr_camera_format format, const uint8_t *row,
                                        union vpr_camera_word *means)
{
    const int32_t size = camera->width, parts = camera->input_width;
    const int32_t channels = vpr_camera_channels(format);
    int32_t from = 0;
    for (int32_t x = 0; x < parts; ++x, means += channels) {
        float mean[3] = {0.0f, 0.0f, 0.0f};
        int32_t pixel[3];
        for (;; ++from) {
            const float weight = vpr_camera_weight(from, x, size, parts);
            vpr_camera_pixel(format, row, from, pixel);
            for (int32_t c = 0; c < channels; ++c) {
                mean[c] = vpr_camera_add(mean[c], (float)pixel[c], weight);
            }
            if ((from + 1) * parts >= (x + 1) * size) {
                break;
            }
        }
        /* A pixel that reaches into the next one of the input counts there too. */
        from += (from + 1) * parts == (x + 1) * size;
        for (int32_t c = 0; c < channels; ++c) {
            means[c].real = mean[c];
        }
    }
}

VPR_INLINE void vpr_camera_area_row(struct vpr_camera *camera, enum vpr_camera_format format,
                                    const uint8_t *row, int8_t *input)
{
    const int32_t size = camera->height, parts = camera->input_height;
    const int32_t channels = vpr_camera_channels(format);
    const int32_t count = camera->input_width * channels;
    const union vpr_camera_word *means = camera->work;
    union vpr_camera_word *sums = camera->work + count;
    const int32_t end = (camera->row + 1) * parts;
    vpr_camera_area_columns(camera, format, row, camera->work);
    while (camera->done < parts && camera->done * size < end) {
        const float weight = vpr_camera_weight(camera->row, camera->done, size, parts);
        const int32_t first = camera->row * parts <= camera->done * size;
        for (int32_t i = 0; i < count; ++i) {
            sums[i].real = vpr_camera_add(first ? 0.0f : sums[i].real, means[i].real, weight);
        }
        if (end < (camera->done + 1) * size) {
            return;
        }
        for (int32_t i = 0; i < count; ++i) {
            vpr_camera_put(camera, format, i / channels, i % channels,
                           vpr_camera_round(sums[i].real), input);
        }
        ++camera->done;
    }
}

#endif /* VPR_CAMERA_AREA_H */

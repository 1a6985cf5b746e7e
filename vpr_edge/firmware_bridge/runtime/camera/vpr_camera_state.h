/* What the camera's resizers share: their state, their memory, rounding, and a finished value. */
#ifndef VPR_CAMERA_STATE_H
#define VPR_CAMERA_STATE_H

#include "vpr_camera_pixel.h"

/* One word of working memory: a sum in whichever arithmetic the resizer needs. */
union vpr_camera_word {
    int32_t integer;
    float real;
};

struct vpr_camera {
    enum vpr_camera_format format;
    int32_t height, width;             /* of the frame */
    int32_t input_height, input_width; /* of the network's input */
    int32_t row;                       /* of the frame: how many came */
    int32_t done;                      /* of the input: how many are written */
    union vpr_camera_word *work;
};

/* The nearest integer of x in [0, 2^24), halves to the even one, as OpenCV's cvRound. */
VPR_INLINE int32_t vpr_camera_round(float x)
{
    const int32_t whole = (int32_t)x;
    const float rest = x - (float)whole;
    return whole + (rest > 0.5f || (rest == 0.5f && (whole & 1)));
}

/* Write channel `c` of pixel `x` of the input's next row; grey goes to all three. */
VPR_INLINE void vpr_camera_put(const struct vpr_camera *camera, enum vpr_camera_format format,
                               int32_t x, int32_t c, int32_t pixel, int8_t *input)
{
    int8_t *to = input + 3 * (camera->done * camera->input_width + x);
    const int8_t value = (int8_t)(vpr_clamp(pixel, 0, 255) - 128);
    if (format == VPR_CAMERA_GREY8) {
        to[0] = to[1] = to[2] = value;
    } else {
        to[c] = value;
    }
}

#endif /* VPR_CAMERA_STATE_H */

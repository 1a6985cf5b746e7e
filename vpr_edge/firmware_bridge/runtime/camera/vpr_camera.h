/* From camera frame to the network's int8 input, one row of the frame at a time.
 *
 * The input is int8 [input_height, input_width, 3] = pixel - 128. The picture is stretched to it,
 * never cropped: averaged over areas where it is at least as high and as wide as the input, bilinear
 * otherwise. The result equals vpr_edge.preprocessing (OpenCV) to the last bit.
 *
 *     static union vpr_camera_word work[VPR_CAMERA_WORK_WORDS(160, 3)];
 *     struct vpr_camera camera;
 *     vpr_camera_begin(&camera, VPR_CAMERA_RGB565, 480, 640, 120, 160, work, sizeof work);
 *     ... for each row that the camera delivers:
 *     if (vpr_camera_row(&camera, row, input)) { ... run the network ... }
 *
 * The code for all formats takes 8 KB of flash on a Cortex-M4; for one alone 2 KB: define
 * VPR_CAMERA_FORMAT as that format before including this header.
 */
#ifndef VPR_CAMERA_H
#define VPR_CAMERA_H

#include "vpr_camera_area.h"
#include "vpr_camera_box.h"
#include "vpr_camera_linear.h"

/* Working memory for an input of that width; channels: 1 for grey8, 3 for the other formats. */
#define VPR_CAMERA_WORK_WORDS(input_width, channels) (2 * (input_width) * (channels))

/* The largest side of the input, and how many times the frame's may be longer. */
#define VPR_CAMERA_LONGEST_INPUT 999
#define VPR_CAMERA_LARGEST_FACTOR 48

enum vpr_camera_status {
    VPR_CAMERA_OK = 0,
    VPR_CAMERA_BAD_FORMAT,    /* none of the formats, or not VPR_CAMERA_FORMAT */
    VPR_CAMERA_BAD_SIZE,      /* not positive, too large, or YUYV of an odd width */
    VPR_CAMERA_WORK_TOO_SMALL /* less than VPR_CAMERA_WORK_WORDS, or a null pointer */
};

/* Whether products of both stay exact in the 24 bits of a float. */
VPR_INLINE int vpr_camera_fits(int32_t size, int32_t input)
{
    return size > 0 && input > 0 && input <= VPR_CAMERA_LONGEST_INPUT &&
           size <= VPR_CAMERA_LARGEST_FACTOR * input && size <= (1 << 23) / input;
}

VPR_INLINE int vpr_camera_knows(enum vpr_camera_format format)
{
#ifdef VPR_CAMERA_FORMAT
    return format == VPR_CAMERA_FORMAT;
#else
    return format == VPR_CAMERA_GREY8 || format == VPR_CAMERA_RGB565 ||
           format == VPR_CAMERA_RGB888 || format == VPR_CAMERA_YUYV;
#endif
}

/* Prepare for frames of one size; work_size in bytes. */
static inline enum vpr_camera_status
vpr_camera_begin(struct vpr_camera *camera, enum vpr_camera_format format, int32_t height,
                 int32_t width, int32_t input_height, int32_t input_width,
                 union vpr_camera_word *work, size_t work_size)
{
    const struct vpr_camera fresh = {format, height, width, input_height, input_width, 0, 0, work};
    *camera = fresh;
    if (!vpr_camera_knows(format)) {
        return VPR_CAMERA_BAD_FORMAT;
    }
    if (!vpr_camera_fits(height, input_height) || !vpr_camera_fits(width, input_width) ||
        (format == VPR_CAMERA_YUYV && width % 2 != 0)) {
        return VPR_CAMERA_BAD_SIZE;
    }
    const int32_t words = VPR_CAMERA_WORK_WORDS(input_width, vpr_camera_channels(format));
    if (work == NULL || work_size < (size_t)words * sizeof *work) {
        return VPR_CAMERA_WORK_TOO_SMALL;
    }
    return VPR_CAMERA_OK;
}

/* Wait for the first row of a frame again, after one that was cut short. */
static inline void vpr_camera_restart(struct vpr_camera *camera)
{
    camera->row = camera->done = 0;
}

VPR_INLINE void vpr_camera_resize(struct vpr_camera *camera, enum vpr_camera_format format,
                                  const uint8_t *row, int8_t *input)
{
    if (camera->height < camera->input_height || camera->width < camera->input_width) {
        vpr_camera_linear_row(camera, format, row, input);
    } else if (camera->height % camera->input_height || camera->width % camera->input_width) {
        vpr_camera_area_row(camera, format, row, input);
    } else {
        vpr_camera_box_row(camera, format, row, input);
    }
}

/* Take the frame's next row; write to `input` what it completes. Returns 1 when the input is whole,
 * otherwise 0; the next row is then the first of the next frame. */
static inline int vpr_camera_row(struct vpr_camera *camera, const uint8_t *row, int8_t *input)
{
#ifdef VPR_CAMERA_FORMAT
    vpr_camera_resize(camera, VPR_CAMERA_FORMAT, row, input);
#else
    /* Each case is compiled for its format, so that no pixel asks for it. */
    switch (camera->format) {
    case VPR_CAMERA_GREY8:
        vpr_camera_resize(camera, VPR_CAMERA_GREY8, row, input);
        break;
    case VPR_CAMERA_RGB565:
        vpr_camera_resize(camera, VPR_CAMERA_RGB565, row, input);
        break;
    case VPR_CAMERA_RGB888:
        vpr_camera_resize(camera, VPR_CAMERA_RGB888, row, input);
        break;
    case VPR_CAMERA_YUYV:
        vpr_camera_resize(camera, VPR_CAMERA_YUYV, row, input);
        break;
    }
#endif
    if (++camera->row < camera->height) {
        return 0;
    }
    vpr_camera_restart(camera);
    return 1;
}

/* Take a whole frame whose rows begin `stride` bytes apart. */
static inline void vpr_camera_frame(struct vpr_camera *camera, const uint8_t *frame, size_t stride,
                                    int8_t *input)
{
    vpr_camera_restart(camera);
    while (!vpr_camera_row(camera, frame, input)) {
        frame += stride;
    }
}

#endif /* VPR_CAMERA_H */

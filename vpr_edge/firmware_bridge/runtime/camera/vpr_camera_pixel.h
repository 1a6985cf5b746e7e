/* Camera formats, read pixel by pixel as 8-bit grey or RGB. */
#ifndef VPR_CAMERA_PIXEL_H
#define VPR_CAMERA_PIXEL_H

#include "vpr_common.h"

enum vpr_camera_format {
    VPR_CAMERA_GREY8,  /* 1 byte a pixel */
    VPR_CAMERA_RGB565, /* 2 bytes, little endian: red in the five high bits */
    VPR_CAMERA_RGB888, /* 3 bytes: red, green, blue */
    VPR_CAMERA_YUYV    /* 4 bytes for 2 pixels: Y0 U Y1 V, BT.601 with Y from 16 to 235 */
};

VPR_INLINE int32_t vpr_camera_pixel_bytes(enum vpr_camera_format format)
{
    return format == VPR_CAMERA_GREY8 ? 1 : format == VPR_CAMERA_RGB888 ? 3 : 2;
}

VPR_INLINE int32_t vpr_camera_channels(enum vpr_camera_format format)
{
    return format == VPR_CAMERA_GREY8 ? 1 : 3;
}

/* ITU-R BT.601 with coefficients of 20 fractional bits, those of OpenCV's cvtColor. */
VPR_INLINE void vpr_camera_yuyv(const uint8_t *row, int32_t x, int32_t *rgb)
{
    const uint8_t *pair = row + 4 * (x / 2);
    const int32_t u = pair[1] - 128, v = pair[3] - 128, half = 1 << 19;
    const int32_t luma = pair[2 * (x % 2)] - 16;
    const int32_t y = 1220542 * (luma < 0 ? 0 : luma);
    rgb[0] = vpr_clamp((y + half + 1673527 * v) >> 20, 0, 255);
    rgb[1] = vpr_clamp((y + half - 852492 * v - 409993 * u) >> 20, 0, 255);
    rgb[2] = vpr_clamp((y + half + 2116026 * u) >> 20, 0, 255);
}

/* The high bits are repeated in the low ones, so that full white is 255. */
VPR_INLINE void vpr_camera_rgb565(const uint8_t *pixel, int32_t *rgb)
{
    const int32_t word = pixel[0] | pixel[1] << 8;
    const int32_t red = word >> 11, green = word >> 5 & 63, blue = word & 31;
    rgb[0] = red << 3 | red >> 2;
    rgb[1] = green << 2 | green >> 4;
    rgb[2] = blue << 3 | blue >> 2;
}

/* Column x of a row: red, green, blue, or grey alone. */
VPR_INLINE void vpr_camera_pixel(enum vpr_camera_format format, const uint8_t *row, int32_t x,
                                 int32_t *values)
{
    if (format == VPR_CAMERA_GREY8) {
        values[0] = row[x];
    } else if (format == VPR_CAMERA_RGB888) {
        values[0] = row[3 * x];
        values[1] = row[3 * x + 1];
        values[2] = row[3 * x + 2];
    } else if (format == VPR_CAMERA_RGB565) {
        vpr_camera_rgb565(row + 2 * x, values);
    } else {
        vpr_camera_yuyv(row, x, values);
    }
}

#endif /* VPR_CAMERA_PIXEL_H */

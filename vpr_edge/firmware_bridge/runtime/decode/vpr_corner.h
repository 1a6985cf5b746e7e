/* The strongest corner of a grey picture near a position, to a fraction of a pixel.
 *
 * The strength of a pixel is that of Foerstner and Guelch (1987): determinant by trace of the
 * products of the gradients (Sobel's), summed over 3x3 pixels; it is below 2^23. Beyond the
 * picture's edges the pixels at the edge are repeated.
 *
 * Only the window around a position is computed, in 504 bytes on the stack, and a quotient only
 * where a pixel beats all before it.
 */
#ifndef VPR_CORNER_H
#define VPR_CORNER_H

#include "vpr_common.h"

#define VPR_CORNER_STEPS 64 /* a pixel */
#define VPR_CORNER_REACH 4  /* pixels to every side of the position */
#define VPR_CORNER_SIDE (2 * VPR_CORNER_REACH + 1)

struct vpr_picture {
    const uint8_t *pixels; /* [rows, columns] */
    int32_t rows, columns;
};

struct vpr_corner {
    int32_t x, y; /* 1/64 pixel */
    uint32_t strength;
};

/* Products of the gradients in x and y, below 2^24 when nine are summed. */
struct vpr_corner_sums {
    int32_t xx, xy, yy;
};

/* The grey picture of the network's input int8 [count, 3], to be made before the network runs,
 * which writes over its input. Luma of ITU-R BT.601; three equal channels stay as they are. */
static inline void vpr_grey_picture(const int8_t *input, int32_t count, uint8_t *grey)
{
    for (int32_t i = 0; i < count; ++i, input += 3) {
        grey[i] = (uint8_t)(((77 * input[0] + 150 * input[1] + 29 * input[2] + 128) >> 8) + 128);
    }
}

VPR_INLINE struct vpr_corner_sums vpr_corner_add(const struct vpr_corner_sums a,
                                                 const struct vpr_corner_sums b,
                                                 const struct vpr_corner_sums c)
{
    const struct vpr_corner_sums sums = {a.xx + b.xx + c.xx, a.xy + b.xy + c.xy,
                                         a.yy + b.yy + c.yy};
    return sums;
}

/* For `count` pixels of row y from column x on, the sums of three neighbours in that row. */
static inline void vpr_corner_row(const struct vpr_picture *picture, int32_t x, int32_t y,
                                  int32_t count, struct vpr_corner_sums *sums)
{
    const int32_t bottom = picture->rows - 1, right = picture->columns - 1;
    const uint8_t *above = picture->pixels + vpr_clamp(y - 1, 0, bottom) * picture->columns;
    const uint8_t *here = picture->pixels + vpr_clamp(y, 0, bottom) * picture->columns;
    const uint8_t *below = picture->pixels + vpr_clamp(y + 1, 0, bottom) * picture->columns;
    /* Of three columns: pixels smoothed down the column, and their difference. */
    int32_t smooth_a = 0, smooth_b = 0, slope_a = 0, slope_b = 0;
    struct vpr_corner_sums first = {0, 0, 0}, second = first;
    for (int32_t i = -4; i < count; ++i) {
        const int32_t column = vpr_clamp(x + i + 2, 0, right);
        const int32_t up = above[column], down = below[column];
        const int32_t smooth_c = up + 2 * here[column] + down, slope_c = down - up;
        const int32_t dx = smooth_c - smooth_a, dy = slope_a + 2 * slope_b + slope_c;
        const struct vpr_corner_sums third = {dx * dx, dx * dy, dy * dy};
        if (i >= 0) {
            sums[i] = vpr_corner_add(first, second, third);
        }
        first = second;
        second = third;
        smooth_a = smooth_b;
        smooth_b = smooth_c;
        slope_a = slope_b;
        slope_b = slope_c;
    }
}

/* The strength, if it is above `least`, and otherwise `least`. */
VPR_INLINE uint32_t vpr_corner_quotient(const struct vpr_corner_sums sums, uint32_t least)
{
    const uint32_t trace = (uint32_t)sums.xx + (uint32_t)sums.yy;
    const uint64_t determinant =
        (uint64_t)((int64_t)sums.xx * sums.yy - (int64_t)sums.xy * sums.xy);
    if (trace == 0 || determinant < (uint64_t)trace * (least + 1)) {
        return least;
    }
    return (uint32_t)(determinant / trace);
}

/* Where the parabola through three strengths is highest, 1/64 pixel from the middle one; rounded,
 * at most half a pixel, 0 where there is no highest point. */
VPR_INLINE int32_t vpr_corner_vertex(int32_t before, int32_t top, int32_t after)
{
    const int32_t bend = 2 * top - before - after;
    const int32_t half = VPR_CORNER_STEPS / 2, rise = half * (after - before);
    if (bend <= 0) {
        return 0;
    }
    return vpr_clamp((rise + (rise < 0 ? -(bend / 2) : bend / 2)) / bend, -half, half);
}

/* The strength of the pixel in the middle of three sums of rows. */
VPR_INLINE int32_t vpr_corner_strength(const struct vpr_corner_sums a,
                                       const struct vpr_corner_sums b,
                                       const struct vpr_corner_sums c)
{
    return (int32_t)vpr_corner_quotient(vpr_corner_add(a, b, c), 0);
}

/* The corner at the pixel x, y, of that strength, to a fraction of a pixel; it is not looked for
 * beyond the picture. */
static inline struct vpr_corner vpr_corner_refined(const struct vpr_picture *picture, int32_t x,
                                                   int32_t y, uint32_t strength)
{
    struct vpr_corner corner = {x * VPR_CORNER_STEPS, y * VPR_CORNER_STEPS, strength};
    struct vpr_corner_sums rows[5][3];
    for (int32_t i = 0; i < 5; ++i) {
        vpr_corner_row(picture, x - 1, y + i - 2, 3, rows[i]);
    }
    if (x > 0 && x < picture->columns - 1) {
        corner.x += vpr_corner_vertex(vpr_corner_strength(rows[1][0], rows[2][0], rows[3][0]),
                                      (int32_t)strength,
                                      vpr_corner_strength(rows[1][2], rows[2][2], rows[3][2]));
    }
    if (y > 0 && y < picture->rows - 1) {
        corner.y += vpr_corner_vertex(vpr_corner_strength(rows[0][1], rows[1][1], rows[2][1]),
                                      (int32_t)strength,
                                      vpr_corner_strength(rows[2][1], rows[3][1], rows[4][1]));
    }
    return corner;
}

/* The strongest pixel, of equal ones the first row by row, within VPR_CORNER_REACH of a position
 * x, y in 1/64 pixel; without a corner there, the position itself with the strength 0. */
static inline struct vpr_corner vpr_corner_near(const struct vpr_picture *picture, int32_t x,
                                                int32_t y)
{
    const int32_t column = (x + VPR_CORNER_STEPS / 2) / VPR_CORNER_STEPS;
    const int32_t row = (y + VPR_CORNER_STEPS / 2) / VPR_CORNER_STEPS;
    const int32_t bottom = picture->rows - 1, right = picture->columns - 1;
    const int32_t first_x = vpr_clamp(column - VPR_CORNER_REACH, 0, right);
    const int32_t last_x = vpr_clamp(column + VPR_CORNER_REACH, 0, right);
    const int32_t first_y = vpr_clamp(row - VPR_CORNER_REACH, 0, bottom);
    const int32_t last_y = vpr_clamp(row + VPR_CORNER_REACH, 0, bottom);
    const int32_t count = last_x - first_x + 1;
    struct vpr_corner_sums rows[3][VPR_CORNER_SIDE];
    struct vpr_corner best = {x, y, 0};
    for (int32_t i = -2; first_y + i <= last_y; ++i) {
        vpr_corner_row(picture, first_x, first_y + i + 1, count, rows[(i + 2) % 3]);
        for (int32_t j = 0; i >= 0 && j < count; ++j) {
            const uint32_t strength = vpr_corner_quotient(
                vpr_corner_add(rows[0][j], rows[1][j], rows[2][j]), best.strength);
            if (strength > best.strength) {
                best.strength = strength;
                best.x = first_x + j;
                best.y = first_y + i;
            }
        }
    }
    return best.strength == 0 ? best : vpr_corner_refined(picture, best.x, best.y, best.strength);
}

#endif /* VPR_CORNER_H */

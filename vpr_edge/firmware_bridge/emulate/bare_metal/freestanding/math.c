/* tanhf, the one function of float islands that the compiler's support library lacks. */
#include "math.h"

/* The polynomial is that of S. Moshier's Cephes library (single/tanhf.c), good to float's precision
 * below 0.625, where 1 - .. would cancel. */
float tanhf(float x)
{
    const float y = fabsf(x);
    if (y > 10.0f) {
        return x < 0.0f ? -1.0f : 1.0f;
    }
    if (y < 0.625f) {
        const float z = x * x;
        float p = -5.70498872745e-3f;
        p = p * z + 2.06390887954e-2f;
        p = p * z - 5.37397155531e-2f;
        p = p * z + 1.33314422036e-1f;
        p = p * z - 3.33332819422e-1f;
        return p * z * x + x;
    }
    const float result = 1.0f - 2.0f / (expf(2.0f * y) + 1.0f);
    return x < 0.0f ? -result : result;
}

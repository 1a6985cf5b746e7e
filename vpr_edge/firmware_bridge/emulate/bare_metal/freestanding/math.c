/* tanhf, the one function of float islands that the compiler's support library lacks. */
#include "math.h"

float tanhf(float x)
{
    const double y = fabs((double)x);
    /* Below, the next term of the series is beneath float's precision and 1 - .. would cancel. */
    if (y < 1.0e-3) {
        return (float)((double)x * (1.0 - y * y / 3.0));
    }
    /* Above, the result rounds to 1. */
    const double result = y > 10.0 ? 1.0 : 1.0 - 2.0 / (exp(2.0 * y) + 1.0);
    return (float)(x < 0.0f ? -result : result);
}

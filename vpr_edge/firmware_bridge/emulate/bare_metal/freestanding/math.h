/* The part of math.h that float islands use, for a compiler that comes without a C library.
 *
 * All but tanhf is in the compiler's own support library. A function that is not declared here is
 * not there: using it is an error of the compiler, by name. */
#ifndef VPR_FREESTANDING_MATH_H
#define VPR_FREESTANDING_MATH_H

float ceilf(float x);
float expf(float x);
float fabsf(float x);
float floorf(float x);
float fmaxf(float x, float y);
float fminf(float x, float y);
float logf(float x);
float roundf(float x);
float sqrtf(float x);
float tanhf(float x);
double exp(double x);
double fabs(double x);
double log(double x);
double sqrt(double x);

#endif /* VPR_FREESTANDING_MATH_H */

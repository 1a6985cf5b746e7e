/* CMSIS-NN, which the firmware that asked for this backend has already.
 *
 * Put CMSIS-NN's folder Include on the include path and link its library.
 */
#ifndef VPR_CMSIS_NN_H
#define VPR_CMSIS_NN_H

#if defined(CMSIS_NN_USE_SINGLE_ROUNDING)
#error "CMSIS_NN_USE_SINGLE_ROUNDING rounds otherwise than TensorFlow Lite Micro: build without it"
#endif

#include "arm_nnfunctions.h"

#endif /* VPR_CMSIS_NN_H */

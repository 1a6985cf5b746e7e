"""TensorFlow Lite's integers, on the ground: quantisation, operators and runtimes stand on them.

`affine` says what a stored integer stands for, `integers` holds multipliers and roundings,
`fixed_point` gemmlowp's functions, `sigmoid_int16`, `softmax`, `normalization` and `lstm` what TFLM
computes with them. Numpy alone.
"""

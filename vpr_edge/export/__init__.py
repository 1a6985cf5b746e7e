"""Export: float and QDQ ONNX, int8 TFLite written from the QDQ ONNX, C arrays. Needs no torch.

From outside import `onnx.{write_onnx, write_qdq_onnx, output_transforms}`, `tflite.write_tflite`,
`onnx2tf_converter` and `c_array`.
"""

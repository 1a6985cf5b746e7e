"""Export: float and QDQ ONNX, int8 TFLite written from the QDQ ONNX, C arrays. Needs no torch.

From outside import `onnx.{write_onnx, write_qdq_onnx, output_transforms}`, `tflite.write_tflite`,
`tflite_read.{read_tflite, read_metadata, op_list}`, `onnx2tf_converter` and `c_array`.
"""

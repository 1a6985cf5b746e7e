"""The TFLite file format, and TFLM's interpreter as the oracle.

From outside import `read.{read_tflite, read_metadata, op_list}` and `tflm.Tflm`.
"""

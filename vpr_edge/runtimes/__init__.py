"""How an artefact is run: one wrapper each for ONNX Runtime, LiteRT, TFLM, generated C and torch.

From outside import `choose.{open_runtime, choose_runtimes}`, the type `runtime.Runtime`, and
`integers` for the int8 outputs themselves.
"""

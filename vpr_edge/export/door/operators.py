"""The ONNX operators that come through the door, and what each becomes."""

from collections.abc import Callable

import onnx

from vpr_edge.export.door import moves, pointwise, weighted, windows
from vpr_edge.export.door.draft import Draft

Handler = Callable[[Draft, onnx.NodeProto], None]

OPERATORS: dict[str, Handler] = {
    "Conv": weighted.convolution,
    "ConvTranspose": weighted.transpose_convolution,
    "Gemm": weighted.fully_connected,
    "MatMul": weighted.fully_connected,
    "BatchNormalization": weighted.batch_normalization,
    "LayerNormalization": weighted.layer_normalization,
    "MaxPool": windows.pool,
    "AveragePool": windows.pool,
    "GlobalAveragePool": windows.global_pool,
    "GlobalMaxPool": windows.global_pool,
    "ReduceMean": windows.reduce,
    "ReduceSum": windows.reduce,
    "ReduceMax": windows.reduce,
    "Resize": windows.resize,
    "Pad": windows.pad,
    "Relu": pointwise.function("relu"),
    "LeakyRelu": pointwise.function("leaky_relu"),
    "HardSwish": pointwise.function("hard_swish"),
    "Sigmoid": pointwise.function("logistic"),
    "Tanh": pointwise.function("tanh"),
    "Clip": pointwise.clip,
    "HardSigmoid": pointwise.hard_sigmoid,
    "PRelu": pointwise.prelu,
    "Gelu": pointwise.gelu,
    "Swish": pointwise.swish,
    "Erf": pointwise.erf,
    "Neg": pointwise.negative,
    "Pow": pointwise.power,
    "Add": pointwise.arithmetic,
    "Sub": pointwise.arithmetic,
    "Mul": pointwise.arithmetic,
    "Div": pointwise.arithmetic,
    "ReduceL2": pointwise.length,
    "Max": pointwise.pass_length,
    "Expand": pointwise.pass_length,
    "Softmax": pointwise.over_channels,
    "LpNormalization": pointwise.over_channels,
    "Identity": moves.same,
    "Dropout": moves.same,
    "Cast": moves.same,
    "Transpose": moves.transpose,
    "Reshape": moves.reshape,
    "Flatten": moves.reshape,
    "Squeeze": moves.reshape,
    "Unsqueeze": moves.reshape,
    "Concat": moves.concat,
    "Split": moves.split,
    "Slice": moves.slices,
    "Gather": moves.gather,
    "DepthToSpace": moves.depth_to_space,
    "SpaceToDepth": moves.space_to_depth,
}

"""The operators that the compiler knows, one class each; `REGISTRY` finds them by builtin name."""

from vpr_edge.firmware_bridge.operators.activations import (
    HardSwish,
    LeakyRelu,
    Logistic,
    Prelu,
    Relu,
    Relu6,
    Tanh,
)
from vpr_edge.firmware_bridge.operators.convolution import Convolution, DepthwiseConvolution
from vpr_edge.firmware_bridge.operators.dense import FullyConnected
from vpr_edge.firmware_bridge.operators.elementwise import Add, Maximum, Minimum, Mul, Sub
from vpr_edge.firmware_bridge.operators.functions import Abs, Exp, Log, Neg, Rsqrt, Sqrt, Square
from vpr_edge.firmware_bridge.operators.gather import Gather
from vpr_edge.firmware_bridge.operators.join import Concatenation, Pack
from vpr_edge.firmware_bridge.operators.lstm import SequenceLstm
from vpr_edge.firmware_bridge.operators.matmul import BatchMatmul
from vpr_edge.firmware_bridge.operators.mean import Mean, Sum
from vpr_edge.firmware_bridge.operators.normalization import L2Normalization
from vpr_edge.firmware_bridge.operators.pad import Pad, PadV2
from vpr_edge.firmware_bridge.operators.pool import AveragePool, MaxPool
from vpr_edge.firmware_bridge.operators.quantization import Dequantize, Quantize
from vpr_edge.firmware_bridge.operators.rearrange import DepthToSpace, SpaceToDepth, Transpose
from vpr_edge.firmware_bridge.operators.resize import ResizeBilinear, ResizeNearest
from vpr_edge.firmware_bridge.operators.shape import Shape
from vpr_edge.firmware_bridge.operators.shared.operator import Operator
from vpr_edge.firmware_bridge.operators.slice import Slice, StridedSlice
from vpr_edge.firmware_bridge.operators.softmax import LogSoftmax, Softmax
from vpr_edge.firmware_bridge.operators.split import Split, SplitV, Unpack
from vpr_edge.firmware_bridge.operators.transpose_convolution import TransposeConvolution
from vpr_edge.firmware_bridge.operators.view import ExpandDims, Reshape, Squeeze

REGISTRY: dict[str, type[Operator]] = {
    operator.code: operator
    for operator in (
        Convolution,
        DepthwiseConvolution,
        TransposeConvolution,
        FullyConnected,
        BatchMatmul,
        SequenceLstm,
        AveragePool,
        MaxPool,
        Mean,
        Sum,
        Reshape,
        Squeeze,
        ExpandDims,
        Shape,
        Transpose,
        DepthToSpace,
        SpaceToDepth,
        Concatenation,
        Pack,
        Split,
        SplitV,
        Unpack,
        Slice,
        StridedSlice,
        Pad,
        PadV2,
        Gather,
        ResizeNearest,
        ResizeBilinear,
        Softmax,
        LogSoftmax,
        L2Normalization,
        Add,
        Sub,
        Mul,
        Maximum,
        Minimum,
        Relu,
        Relu6,
        LeakyRelu,
        Prelu,
        HardSwish,
        Logistic,
        Tanh,
        Abs,
        Rsqrt,
        Exp,
        Log,
        Neg,
        Sqrt,
        Square,
        Quantize,
        Dequantize,
    )
}

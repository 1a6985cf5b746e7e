"""The operators that the compiler knows; `make_operator` finds the class for a node."""

from vpr_edge.firmware_bridge.operators.activations import (
    HardSwish,
    LeakyRelu,
    Logistic,
    Prelu,
    Relu,
    Relu6,
    Tanh,
)
from vpr_edge.firmware_bridge.operators.arguments import ArgMax, ArgMin
from vpr_edge.firmware_bridge.operators.blocks import BatchToSpace, SpaceToBatch
from vpr_edge.firmware_bridge.operators.cast import Cast
from vpr_edge.firmware_bridge.operators.comparison import (
    Equal,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
    LogicalAnd,
    LogicalNot,
    LogicalOr,
    NotEqual,
)
from vpr_edge.firmware_bridge.operators.convolution import Convolution, DepthwiseConvolution
from vpr_edge.firmware_bridge.operators.dense import FullyConnected
from vpr_edge.firmware_bridge.operators.difference import FloorDiv, FloorMod, SquaredDifference
from vpr_edge.firmware_bridge.operators.each_image import EachImage
from vpr_edge.firmware_bridge.operators.elementwise import Add, Maximum, Minimum, Mul, Sub
from vpr_edge.firmware_bridge.operators.extremes import ReduceAll, ReduceMax, ReduceMin
from vpr_edge.firmware_bridge.operators.fill import Fill, ZerosLike
from vpr_edge.firmware_bridge.operators.functions import Abs, Exp, Log, Neg, Rsqrt, Sqrt, Square
from vpr_edge.firmware_bridge.operators.gather import Gather
from vpr_edge.firmware_bridge.operators.gather_nd import GatherNd
from vpr_edge.firmware_bridge.operators.join import Concatenation, Pack
from vpr_edge.firmware_bridge.operators.lstm import SequenceLstm
from vpr_edge.firmware_bridge.operators.matmul import BatchMatmul
from vpr_edge.firmware_bridge.operators.mean import Mean, Sum
from vpr_edge.firmware_bridge.operators.normalization import L2Normalization
from vpr_edge.firmware_bridge.operators.pad import Pad, PadV2
from vpr_edge.firmware_bridge.operators.plain_matmul import PlainMatmul
from vpr_edge.firmware_bridge.operators.plain_pool import L2Pool, PlainAveragePool, PlainMaxPool
from vpr_edge.firmware_bridge.operators.pool import AveragePool, MaxPool
from vpr_edge.firmware_bridge.operators.quantization import Dequantize, Quantize
from vpr_edge.firmware_bridge.operators.rearrange import DepthToSpace, SpaceToDepth, Transpose
from vpr_edge.firmware_bridge.operators.resize import ResizeBilinear, ResizeNearest
from vpr_edge.firmware_bridge.operators.rounding import Ceil, Cos, Elu, Floor, Round, Sin
from vpr_edge.firmware_bridge.operators.select import SelectV2
from vpr_edge.firmware_bridge.operators.shape import Shape
from vpr_edge.firmware_bridge.operators.shared.node import Node
from vpr_edge.firmware_bridge.operators.shared.operator import Operator
from vpr_edge.firmware_bridge.operators.slice import Slice, StridedSlice
from vpr_edge.firmware_bridge.operators.softmax import LogSoftmax, Softmax
from vpr_edge.firmware_bridge.operators.split import Split, SplitV, Unpack
from vpr_edge.firmware_bridge.operators.spread import BroadcastTo, MirrorPad, Reverse
from vpr_edge.firmware_bridge.operators.state import AssignVariable, ReadVariable
from vpr_edge.firmware_bridge.operators.sums import AddN, CumSum
from vpr_edge.firmware_bridge.operators.svdf import Svdf
from vpr_edge.firmware_bridge.operators.taps import (
    TapsConvolution,
    TapsDepthwise,
    TapsFullyConnected,
    TapsTransposed,
)
from vpr_edge.firmware_bridge.operators.transpose_convolution import TransposeConvolution
from vpr_edge.firmware_bridge.operators.view import ExpandDims, Reshape, Squeeze
from vpr_edge.firmware_bridge.operators.wide_softmax import WideSoftmax
from vpr_edge.firmware_bridge.operators.wide_unary import (
    Sigmoid,
    WideAbs,
    WideLeakyRelu,
    WideRelu,
    WideRelu6,
    WideTanh,
)

# Where several classes compile one builtin, the first that takes a node is its class.
OPERATORS: tuple[type[Operator], ...] = (
    TapsConvolution,
    TapsDepthwise,
    TapsFullyConnected,
    TapsTransposed,
    PlainMatmul,
    WideSoftmax,
    L2Pool,
    PlainAveragePool,
    PlainMaxPool,
    Sigmoid,
    WideTanh,
    WideRelu,
    WideRelu6,
    WideLeakyRelu,
    WideAbs,
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
    SpaceToBatch,
    BatchToSpace,
    ReduceMax,
    ReduceMin,
    ReduceAll,
    ArgMax,
    ArgMin,
    Cast,
    Equal,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
    LogicalAnd,
    LogicalNot,
    LogicalOr,
    NotEqual,
    FloorDiv,
    FloorMod,
    SquaredDifference,
    Fill,
    ZerosLike,
    GatherNd,
    Ceil,
    Cos,
    Elu,
    Floor,
    Round,
    Sin,
    SelectV2,
    BroadcastTo,
    MirrorPad,
    Reverse,
    AddN,
    CumSum,
    Svdf,
    ReadVariable,
    AssignVariable,
)
REGISTRY: dict[str, list[type[Operator]]] = {}
for _operator in OPERATORS:
    REGISTRY.setdefault(_operator.code, []).append(_operator)


def make_operator(node: Node) -> Operator:
    """The layer that a node is; its code is a key of `REGISTRY`.

    Raises:
        ModelError: what is wrong, naming operator, layer and tensor.
    """
    classes = REGISTRY[node.code]
    operator = next((found for found in classes if found.takes(node)), classes[-1])
    return EachImage.of(operator, node) if operator.one_image else operator.from_node(node)

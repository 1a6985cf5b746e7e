"""Weights and biases of convolutions and fully connected layers as TFLite wants to find them.

Rules: TFLite int8 quantisation specification (ai.google.dev/edge/litert/models/quantization_spec).
"""

from dataclasses import replace

import numpy as np

from vpr_edge.errors import ModelError
from vpr_edge.export.qdq_graph import Constant, Operation, uncovered


def weights_and_bias(op: Operation, output_axis: int = 0) -> tuple[Constant, Constant]:
    """The int8 weights and int32 bias of a layer, checked; a missing bias becomes zeros.

    Args:
        op: a layer with inputs (activation, weights[, bias]).
        output_axis: axis of the weights that counts output channels.

    Raises:
        ModelError: weights or bias are not constant, or break the int8 specification.
    """
    x, weights, bias = (*op.inputs, None)[:3]
    if x is None or isinstance(x, Constant) or not isinstance(weights, Constant):
        raise uncovered(op, "its first input must be computed and its weights constant")
    if weights.values.dtype != np.int8 or weights.zero_point != 0:
        raise _broken(op, "weights are not int8 with zero point 0")
    if weights.values.size and weights.values.min() == -128:
        raise _broken(op, "weights hold -128, outside the symmetric range [-127, 127]")
    channels = weights.shape[output_axis]
    if weights.scale.size not in (1, channels) or (
        weights.scale.size > 1 and weights.axis != output_axis
    ):
        raise _broken(op, "weights have scales along another axis than the output channels")
    scale = x.scale * weights.scale
    if bias is None:
        if 2 in op.constants:
            raise _broken(op, "bias is not int32 with a DequantizeLinear behind it")
        zeros = np.zeros(channels, np.int32)
        return weights, Constant(f"{op.output.name}/bias", zeros.shape, scale, 0, zeros, 0)
    if not isinstance(bias, Constant) or bias.values.dtype != np.int32 or bias.zero_point != 0:
        raise _broken(op, "bias is not a constant int32 with zero point 0")
    if bias.values.size != channels:
        raise _broken(op, f"bias has {bias.values.size} values for {channels} output channels")
    # The kernels multiply by s_in * s_w / s_out and never read the bias' own scale.
    if bias.scale.size not in (1, scale.size) or not np.allclose(bias.scale, scale, 1e-5, 0):
        raise _broken(op, "bias scale is not input scale times weight scale")
    return weights, replace(bias, values=bias.values.reshape(channels))


def _broken(op: Operation, what: str) -> ModelError:
    return ModelError(
        f"The {op.kind} node '{op.name}' (output tensor '{op.output.name}') breaks the TFLite int8 "
        f"specification: its {what}; quantise the model again."
    )

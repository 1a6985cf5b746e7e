"""SVDF: a fully connected layer over time by filters of low rank, its state kept between runs."""

from dataclasses import dataclass
from math import prod
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from vpr_edge.arithmetic.integers import Multiplier, multiply, quantize_multiplier
from vpr_edge.firmware_bridge.operators.elementwise import c_factor
from vpr_edge.firmware_bridge.operators.shared.floats import c_float, float_range
from vpr_edge.firmware_bridge.operators.shared.node import Node, Tensor, integer_limits
from vpr_edge.firmware_bridge.operators.shared.operator import (
    Constant,
    Kernel,
    Operator,
    Values,
    c_struct,
    c_type,
    parameters,
)
from vpr_edge.firmware_bridge.operators.shared.requantize import INT32_MAX, Range, reach

FEATURES, TIMES, BIAS, STATE = 1, 2, 3, 4
# As far as TFLM lets the bias's scale be off.
SCALE_TOLERANCE = 1e-5


@dataclass(frozen=True, eq=False)
class Svdf(Operator):
    """SVDF, int8 with a state of int8 or int16, and float32.

    TFLM's int8 kernel takes no notice of the fused activation: its outputs' zero point is one.

    Attributes:
        rank: filters that make up a unit.
        bias: by unit.
        zero_points: of input and output; of floats 0.
        factors: from a product with the features to the state, and from sums to the output; of
            floats none.
        range: of floats, under the fused activation.
    """

    code = "SVDF"
    rank: int
    bias: NDArray[Any]
    zero_points: tuple[int, int]
    factors: tuple[Multiplier, ...]
    range: tuple[float, float]

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        node.expect((5, 5))
        source = node.input(0, "int8", "float32", rank=2)
        floating = source.dtype == np.float32
        features = node.constant(FEATURES, source.dtype.name, rank=2)
        wide = ("float32",) if floating else ("int8", "int16")
        times = node.constant(TIMES, *wide, rank=2)
        bias = node.constant(BIAS, "float32" if floating else "int32")
        state = node.input(STATE, times.dtype.name, rank=2)
        output = node.output(0, source.dtype.name, rank=2)
        rank = int(node.needed("rank"))
        (batches, inputs), (filters, memory) = source.shape, times.shape
        fits = (
            rank > 0
            and filters % max(rank, 1) == 0
            and features.shape == (filters, inputs)
            and prod(bias.shape) * rank == filters
            and state.shape == (batches, filters * memory)
            and output.shape == (batches, filters // max(rank, 1))
        )
        if not fits or not state.variable:
            raise node.refuse(
                f"features {list(features.shape)}, times {list(times.shape)}, the state "
                f"{list(state.shape)} and rank {rank} do not fit",
                "the file is corrupt, so convert the model again",
            )
        assert bias.values is not None
        found = cls(node, rank, bias.values.reshape(-1), (0, 0), (), (0.0, 0.0))
        if floating:
            return cls(node, rank, found.bias, (0, 0), (), float_range(node))
        zeros = (node.affine(source).zero_point, node.affine(output).zero_point)
        return cls(node, rank, found.bias, zeros, found._quantized(features, times, bias), (0, 0))

    def _quantized(
        self, features: Tensor, times: Tensor, bias: Tensor
    ) -> tuple[Multiplier, Multiplier]:
        """The factors, sums checked.

        Raises:
            ModelError: scales that TFLM refuses, or sums that leave int32.
        """
        node, source, state = self.node, self.source, self.node.input(STATE)
        scales = {t: node.affine(t).scale for t in (source, features, times, state)}
        if any(node.affine(t).zero_point for t in (features, times, state)):
            raise node.refuse("weights or state have a zero point", "convert the model again")
        second = scales[state] * scales[times]
        if bias.scale.size != 1 or abs(float(bias.scale[0]) - float(second)) >= SCALE_TOLERANCE:
            raise node.refuse(
                "the bias's scale is not that of its sums", "convert the model again", bias
            )
        with np.errstate(over="ignore", under="ignore"):
            reals = (
                scales[source] * scales[features] / scales[state],
                second / node.affine(self.outputs[0]).scale,
            )
        if not np.all(np.isfinite(reals)):
            raise node.refuse("its scales are out of range", "quantise the model again")
        factors = quantize_multiplier(float(reals[0])), quantize_multiplier(float(reals[1]))
        assert features.values is not None and times.values is not None
        low, high = reach(node, source, features.values)
        largest = -integer_limits(state)[0]
        sums = np.abs(times.values.astype(np.int64)).sum(axis=1) * largest
        totals = sums.reshape(-1, self.rank).sum(axis=1) + np.abs(self.bias.astype(np.int64))
        for factor, most in zip(factors, (np.maximum(-low, high).max(), totals.max()), strict=True):
            if int(most) << max(int(factor.shift), 0) > INT32_MAX:
                raise node.refuse(
                    "its weights and biases can overflow a 32-bit sum",
                    "the file is corrupt or badly scaled, so quantise the model again",
                )
        return factors

    @property
    def updates(self) -> tuple[Tensor, ...]:
        """See `Operator`."""
        return (self.node.input(STATE),)

    @property
    def macs(self) -> int:
        """See `Operator`."""
        filters, inputs = self.node.input(FEATURES).shape
        memory = self.node.input(TIMES).shape[1]
        return self.source.shape[0] * filters * (inputs + memory)

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`."""
        source, features, times, _, before = values
        assert source is not None and features is not None and times is not None
        assert before is not None
        filters, memory = times.shape
        state = before.reshape(len(source), filters, memory)
        if not self.factors:
            products = _summed(source[:, None, :] * features)
            after = np.concatenate([state[:, :, 1:], products[..., None]], axis=2)
            filtered = _summed(after * times).reshape(len(source), -1, self.rank)
            total = np.broadcast_to(self.bias, filtered.shape[:2])
            for index in range(self.rank):
                total = total + filtered[..., index]
            least, most = map(np.float32, self.range)
            found = np.clip(total, least, most).astype(np.float32)
            return found, after.reshape(before.shape)
        first, second = self.factors
        sums = (source.astype(np.int64) - self.zero_points[0]) @ features.astype(np.int64).T
        low, high = integer_limits(self.node.input(STATE))
        newest = np.clip(multiply(sums, int(first.value), int(first.shift)), low, high)
        after = np.concatenate([state[:, :, 1:].astype(np.int64), newest[..., None]], axis=2)
        filtered = (after * times).sum(axis=2).reshape(len(source), -1, self.rank)
        scaled = multiply(filtered.sum(axis=2) + self.bias, int(second.value), int(second.shift))
        output = Range(self.zero_points[1], -128, 127).apply(scaled, np.dtype(np.int8))
        return output, after.astype(before.dtype).reshape(before.shape)

    def kernel(self) -> Kernel:
        """See `Operator`."""
        filters, inputs = self.node.input(FEATURES).shape
        shape = c_struct(
            batches=self.source.shape[0],
            inputs=inputs,
            units=filters // self.rank,
            rank=self.rank,
            memory=self.node.input(TIMES).shape[1],
        )
        body = f"const struct vpr_svdf shape = {shape};\n"
        state = self.node.input(STATE)
        kind = {"int8": "s8", "int16": "s16", "float32": "f32"}[state.dtype.name]
        if self.factors:
            scaling = c_struct(
                zero_point=self.zero_points[0],
                feature=c_factor(self.factors[0]),
                time=c_factor(self.factors[1]),
            )
            limits = Range(self.zero_points[1], -128, 127).c()
            body += f"const struct vpr_svdf_scaling scaling = {scaling};\n"
            body += f"const struct vpr_range range = {limits};\n"
        else:
            low, high = map(c_float, self.range)
            body += f"const struct vpr_range_f32 range = {{{low}, {high}}};\n"
        given = "scaling, range" if self.factors else "range"
        element, weight = c_type(self.source), c_type(state)
        return Kernel(
            "vpr_svdf.h",
            f"svdf_{kind}",
            parameters(
                [
                    (f"const {element} *input", self.source),
                    (f"const {element} *features", self.inputs[FEATURES]),
                    (f"const {weight} *times", self.inputs[TIMES]),
                    (
                        f"const {'int32_t' if self.factors else 'float'} *bias",
                        Constant("bias", self.bias),
                    ),
                    (f"{weight} *state", state),
                    (f"{element} *output", self.outputs[0]),
                ]
            ),
            f"{body}vpr_svdf_{kind}(shape, {given}, input, features, times, bias, state, output);",
        )


def _summed(terms: Values) -> Values:
    """Over the last axis, one float32 term after the other."""
    start = np.zeros((*terms.shape[:-1], 1), np.float32)
    return np.cumsum(np.concatenate([start, terms], axis=-1), axis=-1, dtype=np.float32)[..., -1]

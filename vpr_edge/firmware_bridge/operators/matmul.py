"""BATCH_MATMUL, int8: products of matrices, of which either may be a constant."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Self

import numpy as np

from vpr_edge.arithmetic.integers import Multiplier, multiply
from vpr_edge.firmware_bridge.operators.shared.node import Node
from vpr_edge.firmware_bridge.operators.shared.operator import (
    Kernel,
    Operator,
    Values,
    c_struct,
    parameters,
)
from vpr_edge.firmware_bridge.operators.shared.requantize import (
    ACCUMULATOR_LIMIT,
    Range,
    product_multiplier,
)

# Loops over matrices that the C takes (VPR_MATMUL_BATCHES), as TFLM does.
BATCH_AXES = 3


@dataclass(frozen=True, eq=False)
class Matrix:
    """One of the two factors.

    Attributes:
        shape: of its batches.
        rows, columns: of each matrix, once transposed where the operator says so.
        transposed: whether it is.
        zero_point: of the tensor.
    """

    shape: tuple[int, ...]
    rows: int
    columns: int
    transposed: bool
    zero_point: int

    @property
    def steps(self) -> tuple[int, int]:
        """From row to row, and from column to column."""
        return (1, self.rows) if self.transposed else (self.columns, 1)

    @property
    def batches(self) -> tuple[int, ...]:
        """`shape` with 1 in front, for as many loops as the C has."""
        return (1,) * (BATCH_AXES - len(self.shape)) + self.shape

    @property
    def batch_steps(self) -> tuple[int, ...]:
        """From matrix to matrix along each axis; 0 repeats."""
        sizes = (*self.batches, self.rows * self.columns)
        return tuple(
            prod(sizes[axis + 1 :]) if sizes[axis] > 1 else 0 for axis in range(BATCH_AXES)
        )

    @property
    def reach(self) -> int:
        """The largest magnitude of an element."""
        return max(127 - self.zero_point, 128 + self.zero_point)

    def of(self, values: Values) -> Values:
        """Float64 [.., rows, columns] without the zero point."""
        found = values.astype(np.float64) - self.zero_point
        return np.swapaxes(found, -1, -2) if self.transposed else found


@dataclass(frozen=True, eq=False)
class BatchMatmul(Operator):
    """BATCH_MATMUL.

    Attributes:
        a, b: the factors.
        factor: from a sum of products to the output.
        range: of the output.
    """

    code = "BATCH_MATMUL"
    a: Matrix
    b: Matrix
    factor: Multiplier
    range: Range

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        node.expect((2, 2))
        output = node.output(0, "int8")
        a, b = read_matrices(node, "int8")
        factor = product_multiplier(
            node, *(node.affine(tensor).scale for tensor in (node.input(0), node.input(1), output))
        )
        largest = a.columns * a.reach * b.reach << max(int(factor.shift), 0)
        if largest >= ACCUMULATOR_LIMIT:
            raise node.refuse(
                f"sums of {a.columns} products can overflow a 32-bit sum at these scales",
                "multiply shorter vectors, or quantise the model again",
            )
        return cls(node, a, b, factor, Range(node.affine(output).zero_point, -128, 127))

    @property
    def macs(self) -> int:
        """See `Operator`."""
        return prod(self.outputs[0].shape) * self.a.columns

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`."""
        a, b = values
        assert a is not None and b is not None
        # Float64 sums of these integers are exact.
        sums = (self.a.of(a) @ self.b.of(b)).astype(np.int64)
        scaled = multiply(sums, int(self.factor.value), int(self.factor.shift))
        return (self.range.apply(scaled, np.dtype(np.int8)),)

    def kernel(self) -> Kernel:
        """See `Operator`."""
        return Kernel(
            "vpr_batch_matmul_s8.h",
            "batch_matmul_s8",
            parameters(
                [
                    ("const int8_t *a", self.inputs[0]),
                    ("const int8_t *b", self.inputs[1]),
                    ("int8_t *output", self.outputs[0]),
                ]
            ),
            f"const struct vpr_matmul shape = {matmul_shape(self.a, self.b)};\n"
            f"const struct vpr_range range = {self.range.c()};\n"
            f"vpr_batch_matmul_s8(shape, a, b, {self.factor.value}, {self.factor.shift}, range, "
            "output);",
        )


def matmul_shape(a: Matrix, b: Matrix) -> str:
    """The initialiser of a `struct vpr_matmul`."""
    (a_row, a_term), (b_term, b_column) = a.steps, b.steps
    return c_struct(
        batches=_row(np.broadcast_shapes(a.batches, b.batches)),
        a_batch=_row(a.batch_steps),
        b_batch=_row(b.batch_steps),
        rows=a.rows,
        columns=b.columns,
        terms=a.columns,
        a_row=a_row,
        a_term=a_term,
        b_column=b_column,
        b_term=b_term,
        a_zero_point=a.zero_point,
        b_zero_point=b.zero_point,
    )


def read_matrices(node: Node, dtype: str) -> tuple[Matrix, Matrix]:
    """The two factors, their shapes checked against the output's.

    Raises:
        ModelError: they do not fit, or are of another type.
    """
    output = node.output(0, dtype)
    a = _matrix(node, 0, bool(node.option("adjX", False)), dtype)
    b = _matrix(node, 1, bool(node.option("adjY", False)), dtype)
    try:
        batches = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        batches = None
    if a.columns != b.rows or batches is None or output.shape != (*batches, a.rows, b.columns):
        raise node.refuse(
            f"matrices {[*a.shape, a.rows, a.columns]} and {[*b.shape, b.rows, b.columns]} do "
            f"not give {list(output.shape)}",
            "the file is corrupt, so convert the model again",
        )
    return a, b


def _row(numbers: Sequence[int]) -> str:
    return "{" + ", ".join(map(str, numbers)) + "}"


def _matrix(node: Node, index: int, transposed: bool, dtype: str) -> Matrix:
    """A factor, its type and number of dimensions checked."""
    tensor = node.input(index, dtype)
    if not 2 <= len(tensor.shape) <= BATCH_AXES + 2:
        raise node.refuse(
            f"the shape {list(tensor.shape)} has not 2 to {BATCH_AXES + 2} dimensions",
            "TFLM takes no other, so reshape the tensor",
            tensor,
        )
    *batches, rows, columns = tensor.shape
    if transposed:
        rows, columns = columns, rows
    zero = 0 if dtype == "float32" else node.affine(tensor).zero_point
    return Matrix(tuple(batches), rows, columns, transposed, zero)

"""ADD and MUL by CMSIS-NN, which does not broadcast."""

from math import prod

from vpr_edge.arithmetic.integers import ADD_LEFT_SHIFT
from vpr_edge.firmware_bridge.cmsis_nn.call import Call, library_kernel
from vpr_edge.firmware_bridge.operators.elementwise import Add, Binary, Mul, Product, Sum
from vpr_edge.firmware_bridge.operators.shared.operator import Kernel, parameters


class BinaryCall(Call, Binary):
    """What both have."""

    @property
    def elements(self) -> int:
        """How many pairs there are."""
        return prod(self.outputs[0].shape)

    @property
    def repeats(self) -> bool:
        """Whether an input is repeated."""
        return any(prod(tensor.shape) != self.elements for tensor in self.inputs if tensor)

    def clearance(self, index: int) -> int | None:
        """See `Operator`: at most four elements are read, then these four written."""
        return 0

    def call(self, function: str, *arguments: str | int) -> Kernel:
        """The kernel; `arguments` are all but the inputs."""
        text = ", ".join(map(str, arguments))
        return library_kernel(
            function.removeprefix("arm_"),
            parameters(
                [
                    ("const int8_t *a", self.inputs[0]),
                    ("const int8_t *b", self.inputs[1]),
                    ("int8_t *output", self.outputs[0]),
                ]
            ),
            f"return {function}(a, b, {text}, {self.elements});",
        )


class AddCall(BinaryCall, Add):
    """ADD by `arm_elementwise_add_s8`."""

    @property
    def is_exact(self) -> bool:
        """See `Call`: its shifts go to the right."""
        a = self.arithmetic
        return (
            isinstance(a, Sum)
            and not self.repeats
            and all(factor.shift <= 0 for factor in (*a.factors, a.factor))
        )

    def kernel(self) -> Kernel:
        """See `Operator`."""
        s = self.arithmetic
        assert isinstance(s, Sum)
        inputs = [
            number
            for zero_point, factor in zip(s.zero_points, s.factors, strict=True)
            for number in (-zero_point, int(factor.value), int(factor.shift))
        ]
        factor = (int(s.factor.value), int(s.factor.shift))
        after = (s.range.zero_point, *factor, s.range.low, s.range.high)
        return self.call("arm_elementwise_add_s8", *inputs, ADD_LEFT_SHIFT, "output", *after)


class MulCall(BinaryCall, Mul):
    """MUL by `arm_elementwise_mul_s8`."""

    @property
    def is_exact(self) -> bool:
        """See `Call`."""
        return isinstance(self.arithmetic, Product) and not self.repeats

    def kernel(self) -> Kernel:
        """See `Operator`."""
        p = self.arithmetic
        assert isinstance(p, Product)
        before, factor = (
            (-zero for zero in p.zero_points),
            (int(p.factor.value), int(p.factor.shift)),
        )
        after = (p.range.zero_point, *factor, p.range.low, p.range.high)
        return self.call("arm_elementwise_mul_s8", *before, "output", *after)

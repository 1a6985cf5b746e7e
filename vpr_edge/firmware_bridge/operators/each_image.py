"""Several images at a time: a layer that is compiled for one, run on each in turn."""

from dataclasses import dataclass, replace

import numpy as np

from vpr_edge.firmware_bridge.operators.shared.node import Node, Tensor
from vpr_edge.firmware_bridge.operators.shared.operator import Kernel, Operator, Parameter, Values
from vpr_edge.firmware_bridge.operators.shared.storage import size


@dataclass(frozen=True, eq=False)
class EachImage(Operator):
    """A layer whose source and output hold several images one after the other.

    Attributes:
        inner: the layer on one image.
    """

    inner: Operator

    @classmethod
    def of(cls, operator: type[Operator], node: Node) -> Operator:
        """The layer, whatever its batch.

        Args:
            operator: that takes one image.
            node: its first dimension of source and output is the batch.

        Raises:
            ModelError: what is wrong with one image, or the batches differ.
        """
        index = operator.source_index
        source = node.inputs[index] if index < len(node.inputs) else None
        output = node.outputs[0] if len(node.outputs) == 1 else None
        if source is None or output is None or not source.shape or not output.shape:
            return operator.from_node(node)
        batch = source.shape[0]
        if batch == 1 or batch != output.shape[0]:
            return operator.from_node(node)
        inputs = tuple(
            tensor if tensor is None or position > index else _one(tensor, source, batch)
            for position, tensor in enumerate(node.inputs)
        )
        single = replace(node, inputs=inputs, outputs=(_image(output),))
        return cls(node, operator.from_node(single))

    @property
    def code(self) -> str:  # type: ignore[override]
        """Of the layer."""
        return self.inner.code

    @property
    def source_index(self) -> int:  # type: ignore[override]
        """Of the layer."""
        return self.inner.source_index

    @classmethod
    def from_node(cls, node: Node) -> "EachImage":
        """Not used: `of` says which layer it is."""
        raise NotImplementedError

    @property
    def images(self) -> int:
        """How many."""
        return self.source.shape[0]

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`."""
        index, results = self.inner.source_index, []
        batch = values[index]
        assert batch is not None
        for image in batch:
            given = (*values[:index], image[None], *values[index + 1 :])
            results.append(self.inner.reference(*given)[0])
        return (np.concatenate(results),)

    @property
    def scratch_bytes(self) -> int:
        """See `Operator`."""
        return self.inner.scratch_bytes

    def clearance(self, index: int) -> int | None:
        """See `Operator`: images end one after the other, at the two tensors' paces."""
        first = self.inner.clearance(index)
        if first is None or index != self.inner.source_index:
            return None
        gain = size(self.inner.outputs[0]) - size(self.inner.source)
        return first + max(0, (self.images - 1) * gain)

    @property
    def macs(self) -> int:
        """See `Operator`."""
        return self.images * self.inner.macs

    def kernel(self) -> Kernel:
        """See `Operator`: the kernel in a loop that moves its two pointers."""
        kernel = self.inner.kernel()
        source, output = self.inner.source, self.inner.outputs[0]
        steps, given = [], []
        for parameter in kernel.parameters:
            if parameter.value is source or parameter.value is output:
                tensor = self.source if parameter.value is source else self.outputs[0]
                parameter, step = _moved(parameter, tensor, size(tensor) // self.images)
                steps.append(step)
            given.append(parameter)
        body = "\n".join(f"    {line}" if line else "" for line in kernel.body.split("\n"))
        return replace(
            kernel,
            stem=f"images_{kernel.stem}",
            parameters=tuple(given),
            body=f"for (int32_t image = 0; image < {self.images}; ++image) {{\n{body}\n"
            + "".join(f"    {step}\n" for step in steps)
            + "}",
        )


def _image(tensor: Tensor) -> Tensor:
    return replace(tensor, shape=(1, *tensor.shape[1:]))


def _one(tensor: Tensor, source: Tensor, batch: int) -> Tensor:
    """An input of the layer on one image; the shape that TRANSPOSE_CONV reads has its batch."""
    if tensor is source:
        return _image(tensor)
    if tensor.values is not None and tensor.values.ndim == 1 and tensor.values[:1] == batch:
        return replace(tensor, values=np.array([1, *tensor.values[1:]], tensor.dtype))
    return tensor


def _moved(parameter: Parameter, tensor: Tensor, image_bytes: int) -> tuple[Parameter, str]:
    """The parameter for all images, and the C that takes it to the next."""
    declaration = parameter.declaration
    step = image_bytes // tensor.dtype.itemsize
    if "void" in declaration:
        # C has no arithmetic on pointers to void.
        declaration, step = declaration.replace("void", "uint8_t"), image_bytes
    name = declaration.rsplit("*", 1)[1].strip()
    return Parameter(declaration, tensor), f"{name} += {step};"

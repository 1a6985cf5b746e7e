"""AVERAGE_POOL_2D and MAX_POOL_2D by CMSIS-NN."""

from typing import ClassVar

from vpr_edge.firmware_bridge.cmsis_nn.call import (
    Call,
    activation,
    check_scratch,
    dims,
    image_dims,
    library_kernel,
    tile,
)
from vpr_edge.firmware_bridge.operators.pool import AveragePool, MaxPool, Pool
from vpr_edge.firmware_bridge.operators.shared.operator import Kernel, Scratch, c_struct, parameters


class PoolCall(Call, Pool):
    """What both pools have."""

    library: ClassVar[str]

    @property
    def is_exact(self) -> bool:
        """See `Call`."""
        return True

    @property
    def scratch_check(self) -> str:
        """C that compares what the library needs with what is planned."""
        return ""

    def kernel(self) -> Kernel:
        """See `Operator`."""
        w, channels = self.window, self.source.shape[3]
        fields = c_struct(
            stride=tile(w.stride), padding=tile(w.pad), activation=activation(self.range)
        )
        return library_kernel(
            self.stem,
            parameters(
                [
                    ("const int8_t *input", self.source),
                    ("int8_t *output", self.outputs[0]),
                    ("void *scratch", Scratch()),
                ]
            ),
            f"const cmsis_nn_context context = {{.buf = scratch, .size = {self.scratch_bytes}}};\n"
            f"const cmsis_nn_pool_params params = {fields};\n"
            f"const cmsis_nn_dims source = {image_dims(w.source, channels)};\n"
            f"const cmsis_nn_dims filter = {dims(1, *w.kernel, 1)};\n"
            f"const cmsis_nn_dims result = {image_dims(w.result, channels)};\n"
            f"{self.scratch_check}"
            f"return {self.library}(&context, &params, &source, input, &filter, &result, output);",
        )


class AveragePoolCall(PoolCall, AveragePool):
    """AVERAGE_POOL_2D by `arm_avgpool_s8`."""

    library = "arm_avgpool_s8"

    @property
    def scratch_bytes(self) -> int:
        """See `Operator`: `arm_avgpool_s8_get_buffer_size` of the DSP build, a sum a channel."""
        return 4 * self.source.shape[3]

    @property
    def scratch_check(self) -> str:
        """See `PoolCall`."""
        return check_scratch("arm_avgpool_s8_get_buffer_size(result.w, source.c)")


class MaxPoolCall(PoolCall, MaxPool):
    """MAX_POOL_2D by `arm_max_pool_s8`."""

    library = "arm_max_pool_s8"

"""FULLY_CONNECTED by CMSIS-NN; weights keep TFLite's layout."""

import numpy as np

from vpr_edge.firmware_bridge.cmsis_nn.call import (
    Call,
    activation,
    check_scratch,
    dims,
    library_kernel,
    whole_lanes,
)
from vpr_edge.firmware_bridge.operators.dense import FullyConnected
from vpr_edge.firmware_bridge.operators.shared.operator import (
    Constant,
    Kernel,
    Parameter,
    c_struct,
    parameters,
)


class FullyConnectedCall(Call, FullyConnected):
    """FULLY_CONNECTED by `arm_fully_connected_s8`, or `..._per_channel_s8` where factors differ."""

    @property
    def is_exact(self) -> bool:
        """See `Call`."""
        return True

    @property
    def scratch_bytes(self) -> int:
        """See `Operator`: the sums that Helium reads are constants, so there is none."""
        return 0

    def kernel(self) -> Kernel:
        """See `Operator`."""
        q, (channels, depth) = self.requantization, self.weights.shape
        # What `arm_vector_sum_s8` computes: the bias with the input's zero point folded in.
        sums = q.bias - self.zero_point * self.weights.astype(np.int64).sum(axis=1)
        fields = c_struct(
            input_offset=-self.zero_point,
            filter_offset=0,
            output_offset=q.range.zero_point,
            activation=activation(q.range),
        )
        alike = len(set(zip(q.multiplier.tolist(), q.shift.tolist(), strict=True))) == 1
        name = "arm_fully_connected_s8" if alike else "arm_fully_connected_per_channel_s8"
        kind = "per_tensor" if alike else "per_channel"
        factors, arrays = self._tensor_factor() if alike else self._channel_factors()
        return library_kernel(
            name.removeprefix("arm_"),
            parameters(
                [
                    ("const int8_t *input", self.inputs[0]),
                    ("const int8_t *weights", Constant("weights", self.weights)),
                    ("const int32_t *bias", Constant("bias", q.bias)),
                    ("const int32_t *sums", Constant("sums", sums.astype(np.int32))),
                ]
            )
            + arrays
            + parameters([("int8_t *output", self.outputs[0])]),
            f"const cmsis_nn_context context = {{.buf = (void *)sums, .size = {4 * channels}}};\n"
            f"const cmsis_nn_fc_params params = {fields};\n"
            f"const cmsis_nn_{kind}_quant_params factors = {factors};\n"
            f"const cmsis_nn_dims source = {dims(self.rows, 1, 1, depth)};\n"
            f"const cmsis_nn_dims filter = {dims(depth, 1, 1, channels)};\n"
            f"const cmsis_nn_dims channels = {dims(1, 1, 1, channels)};\n"
            f"const cmsis_nn_dims result = {dims(self.rows, 1, 1, channels)};\n"
            + check_scratch("arm_fully_connected_s8_get_buffer_size(&filter)")
            + f"return {name}(&context, &params, &factors, &source, input, &filter, weights,\n"
            "    &channels, bias, &result, output);",
        )

    def _tensor_factor(self) -> tuple[str, tuple[Parameter, ...]]:
        q = self.requantization
        return c_struct(multiplier=q.multiplier[0], shift=q.shift[0]), ()

    def _channel_factors(self) -> tuple[str, tuple[Parameter, ...]]:
        q = self.requantization
        arrays = [
            ("const int32_t *multiplier", Constant("multiplier", whole_lanes(q.multiplier))),
            ("const int32_t *shift", Constant("shift", whole_lanes(q.shift))),
        ]
        pointers = c_struct(multiplier="(int32_t *)multiplier", shift="(int32_t *)shift")
        return pointers, parameters(arrays)

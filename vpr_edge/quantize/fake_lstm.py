"""The LSTM over sequences, trained through the rounding of its int8 form (`quantize.lstm`)."""

import numpy as np
import torch
from torch import Tensor, nn

from vpr_edge.arithmetic.affine import INT8_MAX, INT8_MIN, Affine, affine_from_range
from vpr_edge.arithmetic.lstm import GATE_SCALE
from vpr_edge.arithmetic.portable import floor_log2
from vpr_edge.models.sequence import SequenceNetwork
from vpr_edge.quantize.lstm import Int8Lstm, Weights
from vpr_edge.quantize.straight_through import round_clamp, round_through

WEIGHT_MAX, INT16_MAX = 127, 32767
# Of the largest cell that was seen: room for others.
HEADROOM = 1.5
CELL_POWERS = (-15, -4)


class FakeQuantLstm(nn.Module):
    """A sequence network that is trained through the rounding of its int8 form.

    Args:
        network: the float network, whose weights are copied.
        frames: real inputs [N, T, I] whose ranges, and those of the states, are taken.
    """

    def __init__(self, network: SequenceNetwork, frames: Tensor) -> None:
        super().__init__()
        units = network.config.hidden
        learned = {name: value.detach() for name, value in network.lstm.named_parameters()}
        bias = learned["bias_ih_l0"] + learned["bias_hh_l0"]
        # Gates come in the order input, forget, cell, output, in torch as in TFLite.
        self.input_weight = nn.Parameter(learned["weight_ih_l0"].reshape(4, units, -1).clone())
        self.hidden_weight = nn.Parameter(learned["weight_hh_l0"].reshape(4, units, -1).clone())
        self.bias = nn.Parameter(bias.reshape(4, units))
        self.input = affine_from_range(float(frames.min()), float(frames.max()))
        with torch.no_grad():
            states, cells = self._recur(frames, real=True)
        largest = max(float(states.abs().max()), 1 / 256)
        self.hidden = Affine(np.float32(largest / INT8_MAX), 0)
        step = HEADROOM * max(float(cells.abs().max()), 1e-3) / INT16_MAX
        # A step's power of two or the next.
        power = floor_log2(step) + (step > 2.0 ** floor_log2(step))
        self.cell_power = min(max(power, CELL_POWERS[0]), CELL_POWERS[1])

    def forward(self, frames: Tensor) -> Tensor:
        """Frames [N, T, I] to the dequantised state after each, [N, T, H]."""
        return self._recur(frames, real=False)[0]

    def quantized(self) -> Int8Lstm:
        """The numbers that the network computes with."""
        with torch.no_grad():
            parts = []
            for weight in (self.input_weight, self.hidden_weight):
                scale = _weight_scales(weight)
                values = (weight / scale).round().to(torch.int8).cpu().numpy()
                each = zip(values, scale.flatten().cpu().numpy(), strict=True)
                parts.append(tuple(Weights(gate, step) for gate, step in each))
            biases = (self.bias / self._bias_scales()).round().to(torch.int32).cpu().numpy()
        return Int8Lstm(self.input, self.hidden, self.cell_power, parts[0], parts[1], biases)

    def _bias_scales(self) -> Tensor:
        return float(self.input.scale) * _weight_scales(self.input_weight)[:, :, 0]

    def _recur(self, frames: Tensor, real: bool) -> tuple[Tensor, Tensor]:
        """Hidden states and cells [N, T, H], rounded unless `real`."""
        x: Tensor = frames
        from_input: Tensor = self.input_weight
        from_hidden: Tensor = self.hidden_weight
        bias: Tensor = self.bias
        if not real:
            x = _on_grid(frames, self.input)
            from_input, from_hidden = _rounded(self.input_weight), _rounded(self.hidden_weight)
            steps = self._bias_scales()
            bias = round_through(self.bias / steps) * steps
        h = c = x.new_zeros(len(x), bias.shape[1])
        states, cells = [], []
        for frame in x.unbind(1):
            sums = torch.einsum("ni,gui->gnu", frame, from_input) + bias[:, None]
            gates = sums + torch.einsum("nh,guh->gnu", h, from_hidden)
            if not real:
                limit = INT16_MAX * float(GATE_SCALE)
                gates = gates.clamp(-limit, limit)
            write, keep, show = (gates[index].sigmoid() for index in (0, 1, 3))
            c = keep * c + write * gates[2].tanh()
            h = show * c.tanh()
            if not real:
                step = 2.0**self.cell_power
                c = round_clamp(c / step, -INT16_MAX, INT16_MAX) * step
                h = _on_grid(show * c.tanh(), self.hidden)
            states.append(h)
            cells.append(c)
        return torch.stack(states, dim=1), torch.stack(cells, dim=1)


def _weight_scales(weight: Tensor) -> Tensor:
    """One scale a gate, [4, 1, 1]."""
    with torch.no_grad():
        return weight.abs().amax(dim=(1, 2), keepdim=True).clamp(min=1e-6) / WEIGHT_MAX


def _rounded(weight: Tensor) -> Tensor:
    scale = _weight_scales(weight)
    return round_through(weight / scale) * scale


def _on_grid(x: Tensor, affine: Affine) -> Tensor:
    scale, zero = float(affine.scale), affine.zero_point
    return round_clamp(x / scale, INT8_MIN - zero, INT8_MAX - zero) * scale

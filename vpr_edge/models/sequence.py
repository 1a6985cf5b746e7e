"""Descriptors of sequences: an LSTM over place descriptors and positions (DeepSeqSLAM).

DeepSeqSLAM (arXiv 2011.08518) feeds each frame's descriptor and position to an LSTM and names a
place of the route that it was trained on. Here the state after the last frame is itself a
descriptor, to be searched like any other, so that a new route needs a map and no training.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from vpr_edge.errors import CheckpointError
from vpr_edge.files import atomic_file

HEADER = "vpr_edge_sequence"


@dataclass(frozen=True)
class SequenceConfig:
    """An LSTM over frames.

    Attributes:
        descriptor: values of a frame's place descriptor.
        positions: coordinates of a frame's position; 0 for none.
        hidden: units of the LSTM, and values of the sequence's descriptor.
        length: frames of a sequence.
        reach: metres (or what positions are given in) that count as 1.
    """

    descriptor: int
    positions: int = 2
    hidden: int = 128
    length: int = 10
    reach: float = 10.0

    @property
    def inputs(self) -> int:
        """Values that the LSTM takes for each frame."""
        return self.descriptor + self.positions


class SequenceNetwork(nn.Module):
    """The float network of a configuration."""

    def __init__(self, config: SequenceConfig) -> None:
        super().__init__()
        self.config = config
        self.lstm = nn.LSTM(config.inputs, config.hidden, batch_first=True)

    def frames(self, descriptors: Tensor, positions: Tensor | None = None) -> Tensor:
        """What the LSTM takes: descriptors of variance about 1, and how far the drive has come.

        Args:
            descriptors: [N, T, D], of length 1 each.
            positions: [N, T, P] in any frame of reference, or None where there are none.

        Returns:
            [N, T, D + P]; positions count from the first frame of the sequence.
        """
        scaled = descriptors * self.config.descriptor**0.5
        if positions is None:
            return scaled
        return torch.cat([scaled, (positions - positions[:, :1]) / self.config.reach], dim=2)

    def forward(self, frames: Tensor) -> Tensor:
        """Frames [N, T, I] to the state after each, [N, T, H]."""
        states: Tensor = self.lstm(frames)[0]
        return states

    def describe(self, descriptors: Tensor, positions: Tensor | None = None) -> Tensor:
        """Descriptors of sequences, [N, H] of length 1; arguments as those of `frames`."""
        return functional.normalize(self(self.frames(descriptors, positions))[:, -1], dim=1)


def save_sequence(network: SequenceNetwork, path: Path) -> Path:
    """Write a network as safetensors, its configuration in the header; whole or not at all."""
    tensors = {name: value.contiguous() for name, value in network.state_dict().items()}
    with atomic_file(path) as scratch:
        save_file(tensors, scratch, {HEADER: json.dumps(asdict(network.config))})
    return path


def load_sequence(path: Path) -> SequenceNetwork:
    """Read what `save_sequence` wrote.

    Raises:
        CheckpointError: the file is missing, damaged or of another kind.
    """
    try:
        with safe_open(path, framework="pt") as stream:
            config = SequenceConfig(**json.loads(stream.metadata()[HEADER]))
            network = SequenceNetwork(config)
            network.load_state_dict({name: stream.get_tensor(name) for name in stream.keys()})  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"{path} is not a sequence network of vpr-edge ({error}); train one."
        ) from error
    return network.eval()

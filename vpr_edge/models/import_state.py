"""Reading other programs' torch checkpoints: their tensors, never their code."""

from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vpr_edge.errors import CheckpointError

State = dict[str, NDArray[np.float32]]
PREFIXES = ("module.", "model.", "network.", "keypoint_net.")
"""Wrappers that training code puts around a network."""
# Figures that training code keeps beside the weights are often numpy scalars: data, not code.
_NUMPY: list[Any] = [
    *((np.dtype(kind).type, f"numpy.{kind}") for kind in ("float32", "float64", "int64")),
    *((type(np.dtype(kind)), f"numpy.dtypes.{type(np.dtype(kind)).__name__}")
      for kind in ("float32", "float64", "int64")),
    np.dtype,
    *((np._core.multiarray.scalar, f"numpy.{core}.multiarray.scalar")  # type: ignore[attr-defined]
      for core in ("core", "_core")),
]  # fmt: skip


def read_state(path: Path) -> State:
    """The tensors of a file that `torch.save` wrote, by name, without the wrappers' prefixes.

    The file may be a state dict or a dictionary that holds one under "state_dict".

    Raises:
        CheckpointError: no file, no torch checkpoint, one that asks for pickled code, or one
            without tensors.
    """
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist; give the path of a torch checkpoint.")
    try:
        with torch.serialization.safe_globals(_NUMPY):
            content = torch.load(path, map_location="cpu", weights_only=True)
    # Damaged bytes end the unpickler in exceptions of any kind.
    except Exception as error:
        if isinstance(error, UnpicklingError) and "GLOBAL" in str(error):
            raise CheckpointError(
                f"{path} holds pickled Python objects beside its weights, which are never executed "
                'here; where it was trained, save torch.load(path)["state_dict"] alone.'
            ) from error
        raise CheckpointError(
            f"{path} is not a whole checkpoint that torch.save wrote; copy it again."
        ) from error
    state = content.get("state_dict", content) if isinstance(content, dict) else {}
    found = {
        _bare(name): value.detach().to(torch.float32).numpy()
        for name, value in state.items()
        if isinstance(name, str) and isinstance(value, torch.Tensor)
    }
    if not found:
        raise CheckpointError(f"{path} holds no state dict; give a checkpoint with weights.")
    return found


def _bare(name: str) -> str:
    while name.startswith(PREFIXES):
        name = name.split(".", 1)[1]
    return name

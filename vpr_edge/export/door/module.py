"""A torch module of the user's own, through torch.onnx into the same door. Needs torch.

The module's code is the user's and is executed; of files with weights only tensors are read.
"""

import contextlib
import importlib
import io
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vpr_edge.errors import ModelError, ToolMissingError


def module_as_onnx(spec: str, weights: Path | None, shape: tuple[int, ...], folder: Path) -> Path:
    """Export a module as ONNX of a fixed shape.

    Args:
        spec: package.module:factory; what is called without arguments and gives a torch.nn.Module,
            or is one.
        weights: .safetensors, or what torch.save wrote; None for those that the factory gives.
        shape: of the input, [1, ...].
        folder: for the file.

    Raises:
        ModelError: no such module, or one that cannot be exported.
        CheckpointError: the weights cannot be read.
        ToolMissingError: torch or onnxscript is not here.
    """
    try:
        import onnxscript  # noqa: F401
        import torch
    except ImportError as error:
        raise ToolMissingError(
            "importing a torch module needs torch and onnxscript; install the extra [train]."
        ) from error
    module = _made(spec)
    if not isinstance(module, torch.nn.Module):
        raise ModelError(f"{spec} gives a {type(module).__name__}, not a torch.nn.Module.")
    if weights is not None:
        _load(spec, module, weights)
    example = torch.zeros(shape)
    path = folder / f"{spec.rpartition(':')[2]}.onnx"
    try:
        # What the module returns says how its outputs are called.
        with torch.no_grad():
            names = _output_names(module.eval()(example))
        said = io.StringIO()
        with (
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(said),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            torch.onnx.export(
                module,
                (example,),
                str(path),
                dynamo=True,
                verbose=False,
                external_data=False,
                input_names=["image"],
                output_names=names,
            )
    except Exception as error:  # the module's own, or any of torch.export's
        first = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise ModelError(
            f"{spec} could not be exported for an input {'x'.join(map(str, shape))} ({first}); "
            "correct --shape, or export it with torch.onnx yourself and import the file."
        ) from error
    return path


def _made(spec: str) -> Any:
    name, _, attribute = spec.partition(":")
    # As `python -m` does: modules beside the user are found.
    sys.path.insert(0, str(Path.cwd()))
    try:
        factory = getattr(importlib.import_module(name), attribute)
        return factory() if callable(factory) and not hasattr(factory, "state_dict") else factory
    except Exception as error:  # whatever the user's code raises
        raise ModelError(
            f"{spec} could not be made ({type(error).__name__}: {error}); give package.module:"
            "factory, a function without arguments that returns the network."
        ) from error
    finally:
        sys.path.pop(0)


def _load(spec: str, module: Any, weights: Path) -> None:
    import torch

    state: Mapping[str, Any]
    if weights.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            state = load_file(weights)
        except (SafetensorError, OSError) as error:
            raise ModelError(f"{weights} is not a whole safetensors file ({error}).") from error
    else:
        from vpr_edge.models.import_state import read_state

        state = {name: torch.from_numpy(value) for name, value in read_state(weights).items()}
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(f"the weights {weights} are not those of {spec} ({reason}).") from error


def _output_names(returned: Any) -> list[str]:
    if isinstance(returned, Mapping):
        return [str(name) for name in returned]
    if isinstance(returned, tuple | list):
        return [f"output{index}" for index in range(len(returned))]
    return ["output"]

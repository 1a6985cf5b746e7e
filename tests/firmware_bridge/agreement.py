"""The three ways to run a model: TFLM, the compiler's numpy reference, and the generated C."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from vpr_edge.errors import ModelError
from vpr_edge.firmware_bridge.compile.compiler import compile_model
from vpr_edge.firmware_bridge.compile.golden import Arrays, random_inputs
from vpr_edge.firmware_bridge.compile.host import FLAGS, WARNINGS, NativeModel
from vpr_edge.firmware_bridge.compile.importer import import_tflite
from vpr_edge.firmware_bridge.operators.shared.program import run_reference
from vpr_edge.tflite.tflm import Tflm


def check(path: Path, native: bool, inputs: Sequence[Arrays] = (), ulps: int = 0) -> None:
    """Compare a model's reference, and its C where `native`, with TFLM on every element.

    Args:
        path: the model.
        native: whether to compile it, by the strictest warnings.
        inputs: to run it on; none: three random ones.
        ulps: by how many units in the last place float outputs may differ.
    """
    program, oracle = import_tflite(path), Tflm(path)
    library = NativeModel(compile_model(path), (*FLAGS, *WARNINGS)) if native else None
    for given in inputs or random_inputs(program, 3):
        expected = oracle.run(*given)
        values = run_reference(program, *given)
        _check_outputs([values[tensor] for tensor in program.outputs], expected, ulps)
        if library is not None:
            # The oracle starts from reset variables too.
            library.reset()
            _check_outputs(library.run(*given), expected, ulps)


def _check_outputs(found: Sequence[np.ndarray], expected: Arrays, ulps: int) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        if one.dtype != np.float32 or not ulps:
            np.testing.assert_array_equal(one, other)
            continue
        np.testing.assert_array_equal(np.isnan(one), np.isnan(other))
        numbers = np.isfinite(other)
        np.testing.assert_array_equal(one[~numbers], other[~numbers])
        np.testing.assert_array_max_ulp(one[numbers], other[numbers], ulps)


def check_refusal(path: Path, sentence: str) -> None:
    """The importer refuses the model by a sentence that names its first layer."""
    with pytest.raises(ModelError, match=sentence) as refusal:
        import_tflite(path)
    assert "Layer 0 (" in str(refusal.value)
    assert str(refusal.value).count(".\n") == 0

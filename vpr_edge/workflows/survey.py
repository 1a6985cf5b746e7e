"""A folder of networks, each brought in, quantised, exported and measured: one row a network."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from vpr_edge.benchmarks.devices.mcu import bench_mcu
from vpr_edge.errors import DataError, VprEdgeError
from vpr_edge.export.door.enter import Wish, enter_onnx
from vpr_edge.export.onnx import write_qdq_onnx
from vpr_edge.export.tflite import write_tflite
from vpr_edge.quantize.integer import IntegerNetwork
from vpr_edge.quantize.model import Int8Model
from vpr_edge.tflite.tflm import Tflm
from vpr_edge.workflows.quantize_own import quantize_own, read_inputs, stored_inputs

COMPARED = 3


@dataclass(frozen=True)
class Surveyed:
    """A network.

    Attributes:
        name: of its file.
        refused: why it did not come through; "" where it did. The rest is empty then.
        operators: how often each ONNX operator occurs in it.
        parameters: weights and biases.
        float_db, ptq_db, qat_db: by output, signal to noise: of the float network that came in
            against the original; of the int8 one, calibrated and trained, against the float one.
        unequal: elements in which the integer-exact pass differs from TFLM.
        figures: of the generated C on the emulated core, by metric.
    """

    name: str
    refused: str = ""
    operators: Mapping[str, int] | None = None
    parameters: int = 0
    float_db: Mapping[str, float] | None = None
    ptq_db: Mapping[str, float] | None = None
    qat_db: Mapping[str, float] | None = None
    unequal: int = 0
    figures: Mapping[str, float] | None = None


def survey(
    folder: Path,
    data: Path,
    steps: int,
    device: str = "cortex-m4",
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Surveyed]:
    """Measure every .onnx file of a folder.

    Args:
        folder: the files.
        data: NAME.npy or NAME.npz for a network's own inputs; pictures for the others.
        steps: of training; 0 for calibration alone.
        device: of the emulated core; "" for none.
        progress: called with the networks done and in total.

    Raises:
        DataError: the folder has no ONNX files.
    """
    paths = sorted(folder.glob("*.onnx"))
    if not paths:
        raise DataError(f"{folder} holds no .onnx file; give a folder of networks.")
    for done, path in enumerate(paths):
        if progress:
            progress(done, len(paths))
        try:
            yield _one(path, data, steps, device)
        except VprEdgeError as error:
            yield Surveyed(path.stem, str(error))


def _one(path: Path, data: Path, steps: int, device: str) -> Surveyed:
    arrays = [data / f"{path.stem}{suffix}" for suffix in (".npy", ".npz")]
    own = [file for file in arrays if file.is_file()]
    entered = enter_onnx(path, Wish(values=bool(own)))
    inputs = own[0] if own else data
    found = quantize_own(entered.checkpoint, inputs, steps)
    model = Int8Model.from_checkpoint(found.checkpoint)
    with tempfile.TemporaryDirectory() as scratch:
        onnx_path = write_qdq_onnx(model, Path(scratch) / f"{path.stem}.onnx")
        tflite = write_tflite(onnx_path, onnx_path.with_suffix(".tflite"))
        stored = stored_inputs(model, read_inputs(inputs, entered.checkpoint)[:COMPARED])
        ours = IntegerNetwork(model).run_stored(stored)
        oracle = Tflm(tflite)
        names = [tensor.name for tensor in oracle.file.outputs]
        unequal = sum(
            int((value[0] != ours[name][index]).sum())
            for index in range(len(stored))
            for name, value in zip(names, oracle.run(stored[index : index + 1]), strict=True)
        )
        rows = bench_mcu(tflite, device, runs=1) if device else []
    return Surveyed(
        path.stem,
        "",
        entered.operators,
        entered.checkpoint.graph.parameters(),
        entered.snr_db,
        found.calibrated,
        found.trained,
        unequal,
        {row.metric: row.value for row in rows},
    )

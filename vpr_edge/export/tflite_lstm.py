"""Writes a quantised LSTM as an int8 TFLite file of one UNIDIRECTIONAL_SEQUENCE_LSTM.

Its states are variables: they go on from run to run, so that a file of one step follows a drive
frame by frame, and are reset where a new sequence begins.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from vpr_edge import __version__
from vpr_edge.arithmetic.affine import Affine
from vpr_edge.arithmetic.lstm import GATE_SCALE
from vpr_edge.export.qdq_graph import QdqGraph, Tensor
from vpr_edge.export.tflite_write import TfliteWriter
from vpr_edge.files import atomic_file
from vpr_edge.firmware_bridge.operators.lstm import (
    BIASES,
    CELL,
    HIDDEN,
    INPUT_WEIGHTS,
    RECURRENT_WEIGHTS,
)
from vpr_edge.quantize.lstm import Int8Lstm
from vpr_edge.tflite.read import METADATA_KEY

INPUTS = 24


def write_lstm_tflite(
    lstm: Int8Lstm, steps: int, path: Path, papers: dict[str, Any] | None = None
) -> Path:
    """Write an LSTM for sequences of so many frames.

    Args:
        lstm: the numbers.
        steps: frames a run.
        path: the file: input `frames` int8 [1, steps, inputs], output `states` int8
            [1, steps, units], of which the last is the sequence's descriptor.
        papers: JSON-ready metadata.

    Returns:
        `path`.

    Raises:
        OutputError: the file could not be written.
    """
    writer, layer = TfliteWriter(), [-1] * INPUTS
    units = lstm.biases.shape[1]
    frames = _tensor("frames", (1, steps, lstm.from_input[0].values.shape[1]), lstm.input)
    states = _tensor("states", (1, steps, units), lstm.hidden)
    layer[0] = writer.activation(frames)
    for first, gates in (
        (INPUT_WEIGHTS, lstm.from_input),
        (RECURRENT_WEIGHTS, lstm.from_hidden),
    ):
        for index, weights in enumerate(gates, start=first):
            parameters = _tensor("", weights.values.shape, Affine(weights.scale, 0))
            layer[index] = writer.constant(f"weights{index}", weights.values, parameters)
    for gate, bias in enumerate(lstm.biases):
        scale = np.float32(lstm.input.scale * lstm.from_input[gate].scale)
        parameters = _tensor("", bias.shape, Affine(scale, 0))
        layer[BIASES + gate] = writer.constant(f"bias{gate}", bias, parameters)
    cell = Affine(np.float32(2.0**lstm.cell_power), 0)
    layer[HIDDEN] = writer.declared(_tensor("hidden", (1, units), lstm.hidden), variable=True)
    layer[CELL] = writer.declared(_tensor("cell", (1, units), cell), np.int16, variable=True)
    options = schema.UnidirectionalSequenceLSTMOptionsT(
        fusedActivationFunction=schema.ActivationFunctionType.TANH
    )
    output = writer.activation(states)
    writer.operator("UNIDIRECTIONAL_SEQUENCE_LSTM", 3, layer, output, options)
    # LiteRT wants the gates' and the hidden state's parameters declared; TFLM does not look.
    writer.operators[-1].intermediates = np.array(
        [
            *(
                writer.declared(_tensor(f"gate{i}", (0,), Affine(GATE_SCALE, 0)), np.int16)
                for i in range(4)
            ),
            writer.declared(_tensor("shown", (0,), lstm.hidden)),
        ],
        np.int32,
    )
    graph = QdqGraph(
        operations=(),
        inputs=(("frames", frames),),
        outputs=(("states", states),),
        metadata=None if papers is None else json.dumps(papers),
        source=path,
    )
    with atomic_file(path) as scratch:
        scratch.write_bytes(writer.finish(graph, METADATA_KEY, f"vpr-edge {__version__}"))
    return path


def _tensor(name: str, shape: tuple[int, ...], affine: Affine) -> Tensor:
    return Tensor(name, shape, np.array([affine.scale], np.float32), affine.zero_point)

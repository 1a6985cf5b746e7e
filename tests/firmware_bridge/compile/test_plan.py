"""The memory plan: nothing that is needed is overwritten, and no byte more than must be."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.firmware_bridge.conftest import TRAINED
from tests.firmware_bridge.random_graphs import random_graph
from tests.firmware_bridge.tflite_builder import TfliteBuilder
from vpr_edge.firmware_bridge.compile.compiler import compile_model
from vpr_edge.firmware_bridge.compile.importer import import_tflite
from vpr_edge.firmware_bridge.compile.order import order_operators, step_bytes
from vpr_edge.firmware_bridge.compile.passes import run_passes
from vpr_edge.firmware_bridge.compile.plan import Plan, plan_memory
from vpr_edge.firmware_bridge.operators.shared.node import Tensor
from vpr_edge.firmware_bridge.operators.shared.operator import Operator
from vpr_edge.firmware_bridge.operators.shared.program import Program
from vpr_edge.firmware_bridge.operators.shared.storage import ALIGNMENT, size

REAL = ("ic", "vww", "nano-int8")


def needed_after(program: Program, step: int) -> set[Tensor]:
    """Roots of the activations that a later step, the caller or the next run reads."""
    root = program.storage()
    later = {t for op in program.operators[step + 1 :] for _, t in op.activations()}
    return {root.get(t, t) for t in later | set(program.outputs) | set(program.variables)}


def alive(program: Program, step: int) -> set[Tensor]:
    """Roots of the activations whose bytes matter while a step runs, its outputs too."""
    root, operator = program.storage(), program.operators[step]
    before = {t for op in program.operators[:step] for t in op.outputs}
    before |= {*program.inputs, *program.variables}
    read = {root.get(t, t) for _, t in operator.activations()}
    written = {root.get(t, t) for t in operator.outputs}
    return ({root.get(t, t) for t in before} & (needed_after(program, step) | read)) | written


def may_overlap(plan: Plan, step: int, output: Tensor, other: Tensor) -> bool:
    """Whether a step may write its output over another tensor as the two lie."""
    program, operator = plan.program, plan.program.operators[step]
    root = program.storage()
    if operator.outputs != (output,) or other in needed_after(program, step):
        return False
    places = [i for i, t in operator.activations() if root.get(t, t) is other]
    clearances = [operator.clearance(i) for i in places]
    return bool(places) and all(
        c is not None and plan.offsets[other] >= plan.offsets[output] + c for c in clearances
    )


def check_plan(plan: Plan) -> None:
    program = plan.program
    for step, operator in enumerate(program.operators):
        ranges = {t: (plan.offsets[t], plan.offsets[t] + size(t)) for t in alive(program, step)}
        for (a, (a0, a1)), (b, (b0, b1)) in combinations(ranges.items(), 2):
            assert (
                a1 <= b0
                or b1 <= a0
                or may_overlap(plan, step, a, b)
                or may_overlap(plan, step, b, a)
            ), f"step {step}: {a.name} at {a0}-{a1} and {b.name} at {b0}-{b1}"
        if operator.scratch_bytes:
            low = plan.scratch[step]
            high = low + operator.scratch_bytes
            assert low % ALIGNMENT == 0 and high <= plan.arena_bytes
            assert all(high <= start or end <= low for start, end in ranges.values())
        assert all(a % ALIGNMENT == 0 and b <= plan.arena_bytes for a, b in ranges.values())
    assert all(plan.offsets[view] == plan.offsets[t] for view, t in program.storage().items())
    assert plan.arena_bytes >= plan.bound_bytes >= peak(program)


def peak(program: Program) -> int:
    """The largest sum of what one step needs."""
    root = program.storage()
    return max(
        step_bytes(
            operator,
            alive(program, step),
            {root.get(t, t) for _, t in operator.activations()} - needed_after(program, step),
            root,
        )
        for step, operator in enumerate(program.operators)
    )


@pytest.mark.parametrize("model", REAL)
def test_nothing_needed_is_overwritten_in_real_models(
    model: str, model_named: Callable[[str], Path]
) -> None:
    check_plan(compile_model(model_named(model)))


@pytest.mark.parametrize("first", range(0, 100, 50))
def test_nothing_needed_is_overwritten_in_random_models(tmp_path: Path, first: int) -> None:
    for seed in range(first, first + 50):
        check_plan(compile_model(random_graph(seed, tmp_path).path))


@pytest.mark.parametrize("model", ["ic", "nano-int8", *TRAINED])
def test_the_lower_bound_is_reached(model: str, model_named: Callable[[str], Path]) -> None:
    plan = compile_model(model_named(model))
    assert plan.arena_bytes == plan.bound_bytes


@pytest.mark.parametrize(("model", "most"), [("ic", 49_152), ("vww", 65_536)])
def test_arenas_are_smaller_than_tflms(
    model: str, most: int, model_named: Callable[[str], Path]
) -> None:
    assert compile_model(model_named(model)).arena_bytes <= most


@pytest.mark.parametrize("model", REAL)
def test_the_same_model_gives_the_same_plan(model: str, model_named: Callable[[str], Path]) -> None:
    first, again = (compile_model(model_named(model)) for _ in range(2))
    assert first.text() == again.text()
    assert [o.node.position for o in first.program.operators] == [
        o.node.position for o in again.program.operators
    ]


def random_tree(rng: np.random.Generator, path: Path) -> Program:
    """Dense layers that branch, their ends joined: the order decides how much is kept at once."""
    builder, values = TfliteBuilder(), [(0, 16)]
    builder.tensor((1, 16), scale=0.05)
    read = set()
    for _ in range(int(rng.integers(3, 6))):
        place = int(rng.integers(len(values)))
        source, depth = values[place]
        read.add(place)
        width = 16 * int(rng.integers(1, 12))
        weights = builder.tensor((width, depth), scale=0.01, values=np.ones((width, depth)))
        output = builder.tensor((1, width), scale=0.05)
        options = schema.FullyConnectedOptionsT()
        builder.operator("FULLY_CONNECTED", [source, weights], [output], options, version=4)
        values.append((output, width))
    ends = [value for place, value in enumerate(values) if place not in read]
    joined = builder.tensor((1, sum(width for _, width in ends)), scale=0.05)
    options = schema.ConcatenationOptionsT(axis=1)
    builder.operator("CONCATENATION", [index for index, _ in ends], [joined], options)
    return import_tflite(builder.save(path, [0], [joined]))


def orders(program: Program) -> Iterator[Program]:
    """The program in every order in which it can run."""

    def grow(done: tuple[Operator, ...]) -> Iterator[Program]:
        if len(done) == len(program.operators):
            yield replace(program, operators=done)
        missing = {t for o in program.operators if o not in done for t in o.outputs}
        for operator in program.operators:
            ready = missing.isdisjoint(t for _, t in operator.activations())
            if operator not in done and ready:
                yield from grow((*done, operator))

    return grow(())


def test_the_order_is_the_best_of_all(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    programs = [random_tree(rng, tmp_path / f"{index}.tflite") for index in range(30)]
    best = [min(map(peak, orders(program))) for program in programs]
    assert [peak(order_operators(program)) for program in programs] == best
    # The file's order is not the best of all by chance.
    assert any(peak(program) > least for program, least in zip(programs, best, strict=True))


def test_the_order_is_never_worse_than_the_files(tmp_path: Path) -> None:
    for seed in range(100):
        program = run_passes(import_tflite(random_graph(seed, tmp_path).path))
        ordered = order_operators(program)
        assert peak(ordered) <= peak(program)
        assert set(ordered.operators) == set(program.operators)


def test_a_model_too_wide_to_search_keeps_the_files_order(tmp_path: Path) -> None:
    builder, ends = TfliteBuilder(), []
    source = builder.tensor((1, 16), scale=0.05)
    for width in range(24):
        end = builder.tensor((1, 16), scale=0.05 + width / 1000)
        builder.operator("RELU", [source], [end])
        ends.append(end)
    program = import_tflite(builder.save(tmp_path / "m.tflite", [source], ends))
    assert order_operators(program) is program
    check_plan(plan_memory(program))

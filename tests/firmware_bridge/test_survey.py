"""`vpr-edge export --check` says of every model whether it compiles, equals TFLM, and why not."""

from pathlib import Path

from click.testing import CliRunner

from tests.firmware_bridge.operators.one_layer import T, one_layer
from vpr_edge.cli import cli
from vpr_edge.firmware_bridge.compile.survey import find_models, survey


def three_models(folder: Path) -> Path:
    """One that compiles, one with an operator that nobody has, and no model at all."""
    (folder / "deeper").mkdir()
    one, other = T((1, 8), scale=0.1), T((1, 8), scale=0.2)
    one_layer(folder / "good.tflite", "RELU", [one], other)
    one_layer(folder / "deeper" / "odd.tflite", "RFFT2D", [one], other)
    (folder / "broken.tflite").write_bytes(b"not a model")
    (folder / "notes.txt").write_text("no model")
    return folder


def test_a_survey_says_equal_or_refused_and_compares_arenas(tmp_path: Path) -> None:
    verdicts = {v.path.name: v for v in survey(find_models([three_models(tmp_path)]), 2)}
    assert {name: v.word for name, v in verdicts.items()} == {
        "good.tflite": "equal",
        "odd.tflite": "refused",
        "broken.tflite": "refused",
    }
    good, odd = verdicts["good.tflite"], verdicts["odd.tflite"]
    assert good.arena_bytes is not None and good.tflm_arena_bytes is not None
    assert 0 < good.arena_bytes < good.tflm_arena_bytes
    assert odd.tflm_arena_bytes is None and "RFFT2D" in odd.note


def test_check_prints_a_table_and_writes_nothing(tmp_path: Path) -> None:
    folder = three_models(tmp_path)
    before = sorted(folder.rglob("*"))
    done = CliRunner().invoke(cli, ["export", "--check", str(folder)])
    assert done.exit_code == 0, done.output
    assert "3 models: 1 equal TFLM, 0 compile without a comparison, 2 are refused." in done.output
    assert sorted(folder.rglob("*")) == before

"""What a person sees: differences beside the figures, and text as it is."""

import pytest

from vpr_edge.benchmarks.rows import Row
from vpr_edge.commands.console import print_rows, print_table


def recall(artefact: str, value: float, device: str = "host/litert") -> Row:
    return Row(artefact, device, "town, 240 queries", "recall_at_1", value, "fraction", "measured")


def test_two_artefacts_stand_beside_their_difference(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows([recall("float", 0.9), recall("int8", 0.885)], False)
    said = capsys.readouterr().out
    assert "town, 240 queries" in said and "difference" in said
    assert [word for word in said.split() if "0.9" in word or "0.8" in word] == ["0.900", "0.885"]
    assert "-0.015" in said


def test_of_several_columns_each_names_its_difference_to_the_first(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_rows(
        [recall("float", 0.9), recall("int8", 0.885), recall("int8", 0.91, "host/tflm")], False
    )
    said = capsys.readouterr().out
    assert "0.885 (-0.015)" in said and "0.910 (+0.010)" in said


def test_runtimes_of_one_artefact_are_not_compared(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows([recall("int8", 0.885), recall("int8", 0.91, "host/tflm")], False)
    assert "difference" not in capsys.readouterr().out


def test_brackets_in_a_cell_are_printed_and_not_taken_for_markup(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_table(["to get it"], [["pip install -e '.[tensorflow]'"]])
    assert "pip install -e '.[tensorflow]'" in capsys.readouterr().out

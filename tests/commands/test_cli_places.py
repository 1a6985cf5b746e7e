"""Sequences and shorter descriptors, as a user types them."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from vpr_edge.cli import cli
from vpr_edge.errors import DataError, OutputError
from vpr_edge.models.checkpoint import find_checkpoint, load_checkpoint


def test_sequences_of_a_real_corridor_are_judged_beside_single_frames(shared: Path) -> None:
    words = ["eval", "nano", "--data", str(shared / "vpr_corridor"), "--sequence", "5"]
    done = CliRunner().invoke(cli, [*words, "--json"], catch_exceptions=False)
    rows = json.loads(done.stdout)["rows"]
    recall = {
        row["data"].split(", ")[-2]: row["value"] for row in rows if row["metric"] == "recall_at_1"
    }
    single, along, means = recall.values()
    assert list(recall) == [
        "single frame",
        "sequence of 5 (trajectory)",
        "sequence of 5 (averaged descriptors)",
    ]
    assert along > single + 0.05 and along > means


def test_sequences_are_judged_beside_single_frames(data_sets: Path) -> None:
    words = ["eval", "nano", "--data", str(data_sets / "vpr_corridor"), "--sequence", "3"]
    done = CliRunner().invoke(cli, [*words, "--json"], catch_exceptions=False)
    rows = [row for row in json.loads(done.stdout)["rows"] if row["metric"] == "recall_at_1"]
    single, along, _ = (row["value"] for row in rows)
    assert [row["data"].split(", ")[-2] for row in rows] == [
        "single frame",
        "sequence of 3 (trajectory)",
        "sequence of 3 (averaged descriptors)",
    ]
    assert along >= single > 0.5


def test_sequences_are_for_places_in_order_of_travel(data_sets: Path) -> None:
    words = ["eval", "nano-int8", "--data", str(data_sets / "vpr_sped"), "--sequence", "5"]
    with pytest.raises(DataError, match="no order of travel"):
        CliRunner().invoke(cli, words, catch_exceptions=False)
    with pytest.raises(DataError, match="not for keypoints"):
        CliRunner().invoke(cli, [*words, "--task", "keypoints"], catch_exceptions=False)


def test_centred_places_are_judged_under_terms_of_their_own(shared: Path) -> None:
    words = ["eval", "nano", "--data", str(shared / "vpr_corridor"), "--json"]
    for options, term, least in (
        (["--centre", "--sequence", "5"], ", each traversal centred, single frame", 0.9),
        (["--centre-so-far"], ", centred by the queries so far", 0.8),
    ):
        done = CliRunner().invoke(cli, [*words, *options], catch_exceptions=False)
        first = json.loads(done.stdout)["rows"][0]
        assert first["data"].endswith(f"database 111{term}, 111 queries")
        # Uncentred it is 0.74.
        assert first["metric"] == "recall_at_1" and first["value"] > least


def test_centring_that_cannot_be_is_refused(data_sets: Path) -> None:
    words = ["eval", "nano-int8", "--data", str(data_sets / "vpr_sped")]
    for options, reason in (
        (["--centre-so-far"], "no order of travel"),
        (["--centre", "--centre-so-far"], "exclude each other"),
        (["--centre", "--task", "segmentation"], "not segmentation; leave out --centre"),
    ):
        with pytest.raises(DataError, match=reason):
            CliRunner().invoke(cli, [*words, *options], catch_exceptions=False)


def test_whiten_writes_a_float_checkpoint_that_ends_in_a_projection(
    data_sets: Path, tmp_path: Path
) -> None:
    target = tmp_path / "short.safetensors"
    words = ["whiten", "nano", "--length", "8", "--pictures", "40", "--data", str(data_sets)]
    words += ["-s", "sources={nordland: 1.0}", "--output", str(target)]
    CliRunner().invoke(cli, words, catch_exceptions=False)
    found, plain = load_checkpoint(target), load_checkpoint(find_checkpoint("nano"))
    assert found.graph["place"].shape == (8, 1, 1)
    assert found.provenance["whitening"]["length"] == 8
    assert set(found.tensors) - set(plain.tensors) == {"layers.place.weight", "layers.place.bias"}
    with pytest.raises(OutputError, match="exists already"):
        CliRunner().invoke(cli, words, catch_exceptions=False)

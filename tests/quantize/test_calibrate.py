"""Calibration: post-training ranges from data."""

import numpy as np
import pytest

from tests.quantize.networks import CONVAP, FIT, images, random_network, tensor
from vpr_edge.arithmetic.affine import affine_from_range
from vpr_edge.errors import DataError
from vpr_edge.models.zoo import build_graph
from vpr_edge.quantize.calibrate import BINS, best_affine, calibrate
from vpr_edge.quantize.fake import FakeQuantNetwork, to_int8_model
from vpr_edge.quantize.sensitivity import layer_errors


def histogram(values: np.ndarray) -> tuple[np.ndarray, float, float]:
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    return np.histogram(values, BINS, (low, high))[0].astype(float), low, high


def squared_error(values: np.ndarray, scale: float, zero_point: int) -> float:
    stored = np.clip(np.rint(values / scale) + zero_point, -128, 127)
    return float(((scale * (stored - zero_point) - values) ** 2).mean())


def test_clip_beats_the_full_range_when_there_is_an_outlier() -> None:
    values = np.append(np.random.default_rng(0).normal(size=1_000_000), 45.0)
    affine = best_affine(*histogram(values))
    full = affine_from_range(float(values.min()), 45.0)
    assert affine.scale < full.scale / 2
    best, plain = (squared_error(values, float(a.scale), a.zero_point) for a in (affine, full))
    assert best < plain / 2


def test_uniform_values_keep_the_full_range() -> None:
    values = np.random.default_rng(0).uniform(-1, 3, 100_000)
    affine = best_affine(*histogram(values))
    assert float(affine.scale) * 255 == pytest.approx(4, rel=0.03)


def test_calibrated_network_is_close_to_float() -> None:
    network = random_network(build_graph(CONVAP))
    fake = calibrate(FakeQuantNetwork(network), [tensor(images(6)), tensor(images(2, seed=9))])
    rows = layer_errors(network, to_int8_model(fake, CONVAP, FIT, {}), images(3, seed=7))
    assert [row.node for row in rows] == [node.name for node in network.graph.nodes]
    assert rows[0].snr_db > 100
    for row in rows[1:]:
        assert row.snr_db > 8 and row.cosine > 0.93, row
        assert row.saturated_fraction < 0.05, row


def test_error_grows_where_a_layer_is_made_worse() -> None:
    network = random_network(build_graph(CONVAP))
    fake = calibrate(FakeQuantNetwork(network), [tensor(images(6))])
    before = layer_errors(network, to_int8_model(fake, CONVAP, FIT, {}), images(2))
    fake.quantizer("stem").log_factor.data += 2.0
    after = layer_errors(network, to_int8_model(fake, CONVAP, FIT, {}), images(2))
    assert after[1].node == "stem" and after[1].snr_db < before[1].snr_db - 5
    fake.quantizer("stem").log_factor.data -= 4.0
    clipped = layer_errors(network, to_int8_model(fake, CONVAP, FIT, {}), images(2))
    assert clipped[1].saturated_fraction > 0.05 > before[1].saturated_fraction


def test_no_images_is_one_sentence() -> None:
    fake = FakeQuantNetwork(random_network(build_graph(CONVAP)))
    with pytest.raises(DataError, match="no images to calibrate with; give at least one"):
        calibrate(fake, [])

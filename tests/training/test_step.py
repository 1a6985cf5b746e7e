"""The step: what reaches which layers, and networks of other forms."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.test_loop import NO_LOSS
from tests.training.tiny import TINY, tiny_data
from vpr_edge.models.network import Network
from vpr_edge.models.zoo import build_graph, network_config
from vpr_edge.training.batches import Data, draw_batch
from vpr_edge.training.recipe import Batch
from vpr_edge.training.step import SealedBatch, Step, distilled_node, pixel_node, weights_at


def test_depth_is_learned_from_the_town_by_its_own_decoder(town: Path) -> None:
    nano = network_config("nano")
    config = replace(nano, tasks=(*nano.tasks, "depth"))
    recipe = replace(TINY, weights=replace(NO_LOSS, depth=1.0), batch=Batch(0, 0, 2))
    data = tiny_data(town, recipe)
    assert data.labelled[0].depth is not None
    torch.manual_seed(0)
    step = Step(Network(build_graph(config)), config, recipe, data)
    batch = draw_batch(data, recipe, 0)
    assert batch.labelled is not None
    known = batch.labelled.depth[batch.labelled.depth > 0]
    assert 1 < float(known.median()) < 60
    optimizer = torch.optim.Adam(step.parameters(), lr=1e-2)
    values = []
    for _ in range(8):
        optimizer.zero_grad()
        (value,) = step(SealedBatch(batch), weights_at(recipe.weights, 0)).values()
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < 0.7 * values[0]
    moved = {name for name, p in step.network.named_parameters() if p.grad is not None}
    assert any("range_logarithms" in name for name in moved)
    assert not any("segment" in name or "place" in name for name in moved)


def test_the_discriminator_pulls_the_network_the_other_way(data: Data) -> None:
    recipe = replace(TINY, weights=replace(NO_LOSS, domain=1.0), batch=Batch(2, 0, 2))
    gradients = []
    for strength in (1.0, -1.0):
        torch.manual_seed(0)
        config = network_config("nano")
        step = Step(Network(build_graph(config)), config, recipe, data)
        batch = draw_batch(data, recipe, 0)
        assert batch.places is not None and batch.labelled is not None
        # The labelled pictures are taken for real ones.
        batch = batch._replace(
            labelled=batch.labelled._replace(rendered=torch.zeros(2, dtype=torch.bool))
        )
        step(SealedBatch(batch), {"domain": strength})["domain"].backward()
        assert step.discriminator is not None
        gradients.append(
            [
                step.network.get_parameter("layers.segment_logits.weight").grad,
                step.discriminator.layers[0].weight.grad,
            ]
        )
    (network, judge), (turned, same) = gradients
    assert float(network.abs().sum()) > 0 and float(judge.abs().sum()) > 0
    torch.testing.assert_close(turned, -network)
    torch.testing.assert_close(same, judge)


@pytest.mark.parametrize("name", ["nano", "nano-vs-slam-n", "nano-vs-slam-n-fused"])
def test_the_pixel_of_a_cell_is_read_off_networks_that_have_it(name: str, data: Data) -> None:
    config = network_config(name)
    graph = build_graph(config)
    cell = config.height // graph["location"].shape[1]
    node, features = pixel_node(graph, cell)
    assert graph[node].shape[0] == (features or cell**2)
    weights = replace(NO_LOSS, corners=1.0)
    recipe = replace(TINY, weights=weights, batch=Batch(0, 1, 0))
    step = Step(Network(graph), config, recipe, data)
    parts = step(SealedBatch(draw_batch(data, recipe, 0)), weights_at(weights, 0))
    assert set(parts) == {"keypoint_corners", "keypoint_inside", "keypoint_strength"}
    # Chance, before anything is learned: log of the pixels of a cell, a quarter of it.
    assert parts["keypoint_inside"].item() == pytest.approx(np.log(cell**2) / 4, rel=0.6)


def test_the_teacher_s_features_are_lifted_from_what_the_place_head_reads() -> None:
    names = ("nano", "nano-gem", "nano-vs-slam-n-fused", "mobilenetvlad-0.35")
    graphs = [build_graph(network_config(name)) for name in names]
    for graph in graphs:
        node = graph[distilled_node(graph)]
        assert node.shape[1] > 1 and node.shape[2] > 1
    assert distilled_node(graphs[0]) == distilled_node(graphs[1]) == "place_mix_pointwise"

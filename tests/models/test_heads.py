"""Aggregation heads, attention and norms: against the papers' formulas, and through ONNX to C."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from torch.nn import functional

from tests.export.test_onnx import float_checkpoint, run
from tests.quantize.networks import (
    ATTENTION,
    CONVAP,
    FIT,
    GHOST,
    PROJECTED,
    PYRAMID,
    UNSHUFFLED,
    WHOLE_GRID,
    exported,
    fake_quantized,
    graph_model,
    images,
    int8_model,
    random_network,
    tensor,
)
from tests.quantize.networks import attentive_graph as attentive
from vpr_edge.arithmetic.affine import Affine
from vpr_edge.errors import CheckpointError, DataError
from vpr_edge.export.onnx import output_transforms, write_onnx
from vpr_edge.firmware_bridge.compile.compiler import compile_model
from vpr_edge.firmware_bridge.compile.host import NativeModel
from vpr_edge.models.clusters import with_clusters
from vpr_edge.models.graph import GraphBuilder, Node
from vpr_edge.models.network import Network
from vpr_edge.models.whitening import fit_whitening, float_maps, whitened
from vpr_edge.models.zoo import NetworkConfig, build_graph
from vpr_edge.places.describe import place_vector
from vpr_edge.preprocessing import Preprocessing
from vpr_edge.quantize.fake import to_int8_model
from vpr_edge.quantize.integer import IntegerNetwork
from vpr_edge.quantize.passes import compute
from vpr_edge.runtimes.integers import run_litert, run_tflm
from vpr_edge.training.losses.places import place_parts, place_vectors

LEARNED_GEM = replace(UNSHUFFLED, name="tiny-learned", learned_power=True)
CONFIGS = (GHOST, PROJECTED, ATTENTION, LEARNED_GEM, PYRAMID, WHOLE_GRID)


def outputs(network: Network, *names: str) -> list[np.ndarray]:
    with torch.no_grad():
        found = network(tensor(images(2)), names)
    return [found[name].numpy().astype(np.float64) for name in names]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: c.name)
def test_float_onnx_of_every_head_computes_what_torch_does(
    config: NetworkConfig, tmp_path: Path
) -> None:
    network, checkpoint = float_checkpoint(config)
    picture = tensor(images(1))
    with torch.no_grad():
        expected = network(picture)["place"].numpy()
    found = run(write_onnx(checkpoint, tmp_path / "model.onnx"), picture.numpy())["place"]
    np.testing.assert_allclose(found, expected, atol=1e-4 * max(1, np.abs(expected).max()))


def test_ghostvlad_sums_residuals_to_all_but_the_ghosts() -> None:
    network = random_network(build_graph(GHOST))
    x, logits, place = outputs(network, "place_local", "place_assign", "place")
    centroids = -network.layers["place_centroids"].weight.detach().numpy()[0, :, 0].T
    for n in range(len(x)):
        vlad = np.zeros((GHOST.place_clusters, GHOST.place_channels))
        for row in range(x.shape[2]):
            for column in range(x.shape[3]):
                scores = np.exp(logits[n, :, row, column])
                for k, centroid in enumerate(centroids):
                    share = scores[k] / scores.sum()
                    vlad[k] += share * (x[n, :, row, column] - centroid)
        vlad /= np.linalg.norm(vlad, axis=1, keepdims=True)
        np.testing.assert_allclose(place[n, :, 0].T, vlad, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(x, axis=1), 1, atol=1e-5)


def test_self_attention_is_scaled_products_of_all_pixels() -> None:
    network = random_network(attentive())
    names = ("coarse", "seen_query", "seen_key", "seen_value", "seen")
    x, q, k, v, seen = (torch.from_numpy(value) for value in outputs(network, *names))
    q, k, flat = (m.flatten(2).transpose(1, 2) for m in (q, k, v))
    expected = functional.scaled_dot_product_attention(q, k, flat, scale=1.0)
    expected = x + expected.transpose(1, 2).reshape(x.shape)
    torch.testing.assert_close(seen, expected, atol=1e-5, rtol=1e-5)


def test_attention_sums_what_its_maps_and_the_guide_select() -> None:
    network = random_network(attentive())
    names = ("place_look2", "place_guide2", "place_project2", "place")
    look, guide, x, place = outputs(network, *names)
    weights = 1 / (1 + np.exp(-look - guide))
    total = np.einsum("nkhw,nchw->nck", weights, x)
    total /= np.linalg.norm(total, axis=1, keepdims=True)
    np.testing.assert_allclose(place[:, 8:, 0], total, atol=1e-5)


def test_space_to_depth_gathers_blocks_and_depth_to_space_undoes_it() -> None:
    g = GraphBuilder(10, 12, channels=2)
    blocks = g.space_to_depth("blocks", g.image, 2)
    network = Network(g.finish((blocks.name, g.depth_to_space("back", blocks, 2).name)))
    picture = torch.arange(240.0).reshape(1, 2, 10, 12)
    found = network(picture)
    torch.testing.assert_close(found["back"], picture)
    expected = torch.cat([picture[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)], dim=1)
    torch.testing.assert_close(found["blocks"], expected)


def test_a_pyramids_similarity_is_the_weighted_similarity_of_its_parts() -> None:
    network = random_network(build_graph(PYRAMID))
    names = ("place_cells", "place_overview", "place")
    *levels, place = outputs(network, *names)
    for level in levels:
        level /= np.linalg.norm(level, axis=1, keepdims=True)
    for share in (0.0, 0.3, 1.0):
        config = replace(PYRAMID, place_balance=share)
        transform = output_transforms(build_graph(config))["place"]["transform"]
        a, b = (place_vector(one.transpose(1, 2, 0).astype(np.float32), transform) for one in place)
        grid, whole = ((one[0] * one[1]).sum(0).mean() for one in levels)
        expected = (1 - share) * grid + share * whole
        assert a @ b == pytest.approx(expected, abs=1e-5)


def test_a_whole_grid_has_one_length_in_the_similarity() -> None:
    network = random_network(build_graph(WHOLE_GRID))
    levels = [v.reshape(2, -1) for v in outputs(network, "place_cells", "place_overview")]
    place = outputs(network, "place")[0]
    transform = output_transforms(build_graph(replace(WHOLE_GRID, place_balance=0.3)))["place"][
        "transform"
    ]
    a, b = (place_vector(one.transpose(1, 2, 0).astype(np.float32), transform) for one in place)
    grid, whole = (u @ v / np.linalg.norm(u) / np.linalg.norm(v) for u, v in levels)
    assert a @ b == pytest.approx(0.7 * grid + 0.3 * whole, abs=1e-5)


def test_a_pyramids_parts_are_where_training_looks_for_them() -> None:
    network = random_network(build_graph(PYRAMID))
    cells, pooled, place = outputs(network, "place_cells_unit", "place_overview_unit", "place")
    shape = network.graph["place_cells"].shape
    grid, overview = place_parts(torch.from_numpy(place), shape, PYRAMID.place_overview)
    np.testing.assert_array_equal(grid.numpy(), cells)
    np.testing.assert_array_equal(overview.numpy(), pooled)
    vectors = place_vectors(torch.from_numpy(place), PYRAMID)
    transform = output_transforms(build_graph(PYRAMID))["place"]["transform"]
    expected = place_vector(place[0].transpose(1, 2, 0).astype(np.float32), transform)
    np.testing.assert_allclose(vectors[0].numpy(), expected, atol=1e-6)


def test_a_learned_power_starts_as_cubes_learns_and_is_three_when_quantised() -> None:
    plain, learned = (random_network(build_graph(c)) for c in (UNSHUFFLED, LEARNED_GEM))
    learned.load_state_dict(plain.state_dict(), strict=False)
    a, b = (outputs(network, "place")[0] for network in (plain, learned))
    np.testing.assert_allclose(a, b, rtol=2e-4, atol=1e-6)
    learned(tensor(images(2)))["place"].sum().backward()
    power = learned.layers["place"].power
    assert power.grad is not None and power.grad.abs() > 0
    with torch.no_grad():
        power.fill_(1.0)
    x, place = outputs(learned, "place_project", "place")
    np.testing.assert_allclose(np.cbrt(place), x.mean((2, 3), keepdims=True), rtol=1e-3, atol=1e-4)
    model = int8_model(LEARNED_GEM)
    assert not model.config.learned_power and "place_cube" in model.activations


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: c.name)
def test_generated_c_gives_the_integers_of_the_exact_pass_and_litert_nearly(
    config: NetworkConfig, tmp_path: Path
) -> None:
    model = int8_model(config)
    pictures = images(3, seed=5)
    _, path = exported(model, tmp_path)
    ours = IntegerNetwork(model).run(pictures)
    native = NativeModel(compile_model(path))
    for picture, expected in zip(pictures, ours["place"], strict=True):
        native.feed(Preprocessing.to_int8(picture)[None])
        native.invoke()
        names = [tensor.name for tensor in native.plan.program.outputs]
        found = dict(zip(names, native.outputs(), strict=True))
        np.testing.assert_array_equal(found["place"][0], expected)
    # LiteRT's softmax goes through floats, and its flips grow in these random networks.
    a, b = (
        values["place"].reshape(len(pictures), -1) - float(model.activations["place"].zero_point)
        for values in (ours, run_litert(path, pictures, reference=True))
    )
    cosines = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert cosines.min() > 0.95


def test_pictures_through_ghostvlad_equal_tflm(
    frames: list[NDArray[np.uint8]], tmp_path: Path
) -> None:
    model = int8_model(GHOST)
    pictures = np.stack([FIT.fit(frame) for frame in frames[::4]])
    theirs = run_tflm(exported(model, tmp_path)[1], pictures)["place"]
    ours = IntegerNetwork(model).run(pictures)["place"]
    assert len(pictures) >= 10 and len(np.unique(ours)) > 50
    np.testing.assert_array_equal(ours, theirs)


def test_qat_gradients_reach_every_weight_of_every_new_operation() -> None:
    for graph in (build_graph(PROJECTED), build_graph(PYRAMID), attentive()):
        fake = fake_quantized(graph)
        for exact in (False, True):
            fake.integer_exact = exact
            fake.zero_grad()
            sum(value.square().sum() for value in fake(tensor(images(2))).values()).backward()
            for name, parameter in fake.named_parameters():
                assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name


@pytest.mark.parametrize("exact", [False, True])
def test_gradients_stay_bounded_where_a_cluster_is_empty(exact: bool) -> None:
    node = Node("y", "l2_normalize", ("x",), (3, 1, 2))
    x = torch.tensor([[3.0, 0.0], [-4.0, 0.0], [0.0, 0.0]])[None, :, None].requires_grad_()
    affines = {"x": Affine(np.float32(0.5), 3), "y": Affine(np.float32(1 / 128), 0)}
    scales = {name: torch.tensor(affine.scale) for name, affine in affines.items()}
    y = compute(node, [x], scales, affines, None, exact)
    torch.testing.assert_close(y[0, :, 0].T.detach(), torch.tensor([[77.0, -102, 0], [0, 0, 0]]))
    y.sum().backward()
    assert x.grad is not None and 0 < x.grad.abs().max() <= 128


def test_the_exact_training_pass_yields_the_integers_of_the_int8_model() -> None:
    fake = fake_quantized(attentive())
    fake.integer_exact = True
    model = graph_model(attentive())
    expected = IntegerNetwork(model).run(images(2), ("seen", "place", "total"))
    for name, values in fake(tensor(images(2)), tuple(expected)).items():
        affine = model.activations[name]
        found = torch.round(values / float(affine.scale)) + affine.zero_point
        np.testing.assert_array_equal(found.detach().permute(0, 2, 3, 1).numpy(), expected[name])


def test_depth_is_one_channel_at_a_quarter_of_the_picture() -> None:
    config = replace(CONVAP, tasks=("depth",))
    graph = build_graph(config)
    assert graph.outputs == ("depth",)
    assert graph["depth"].shape == (1, config.height // 4, config.width // 4)


def test_affine_norms_fold_exactly_and_keep_no_statistics() -> None:
    affine = replace(CONVAP, norm="affine", tasks=("places",))
    network = random_network(build_graph(affine))
    for name, parameter in network.named_parameters():
        if ".norm." in name:
            torch.nn.init.uniform_(parameter, 0.5, 1.5)
    assert not [name for name in network.state_dict() if "running" in name]
    layer = network.layers["stem"]
    weight, bias = layer.folded()
    padded = functional.pad(tensor(images(2)), (0, 1, 0, 1))
    expected = functional.relu(functional.conv2d(padded, weight, bias, 2))
    with torch.no_grad():
        torch.testing.assert_close(layer(tensor(images(2))), expected, atol=1e-5, rtol=1e-5)


def test_whitening_is_scikit_learns_and_becomes_the_last_layer() -> None:
    config = replace(GHOST, place_ghosts=0, head="netvlad", name="tiny-white")
    network, checkpoint = float_checkpoint(config)
    pictures = images(30, seed=9)
    projected = whitened(checkpoint, pictures, 8)
    assert projected.config.place_projection == 8
    with torch.no_grad():
        maps = network(tensor(pictures))["place"].flatten(1).numpy()
        found = Network.from_checkpoint(projected)(tensor(pictures))["place"].flatten(1).numpy()
    expected = PCA(8, whiten=True, svd_solver="full").fit_transform(maps.astype(np.float64))
    signs = np.sign((expected * found).sum(axis=0))
    np.testing.assert_allclose(found, expected * signs, atol=2e-3)
    np.testing.assert_allclose(found.std(axis=0, ddof=1), 1, atol=1e-3)
    cut = Network.from_checkpoint(whitened(checkpoint, pictures, 8, strength=0.0))
    with torch.no_grad():
        found = cut(tensor(pictures))["place"].flatten(1).numpy()
    expected = PCA(8, svd_solver="full").fit_transform(maps.astype(np.float64))
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-4)
    model = to_int8_model(fake_quantized(build_graph(projected.config)), projected.config, FIT, {})
    assert model.graph["place"].shape == (8, 1, 1)


def test_clusters_begin_as_k_means_and_assign_sharply() -> None:
    _, checkpoint = float_checkpoint(GHOST)
    pictures = images(20, seed=3)
    started = with_clusters(checkpoint, pictures)
    network = Network.from_checkpoint(started)
    x, shares = outputs(network, "place_local", "place_assignment")
    x, shares = (np.moveaxis(m, 1, -1).reshape(-1, m.shape[1]) for m in (x, shares))
    weight = started.tensors["layers.place_assign.weight"][:, :, 0, 0].astype(np.float64)
    kept = -started.tensors["layers.place_centroids.weight"][0, :, 0].T
    directions = (weight / np.linalg.norm(weight, axis=1, keepdims=True))[:5]
    np.testing.assert_allclose(
        kept / np.linalg.norm(kept, axis=1, keepdims=True), directions, atol=1e-5
    )
    centroids = weight * (np.linalg.norm(kept[0]) / np.linalg.norm(weight[0]))
    squared = np.square(x[:, None] - centroids).sum(axis=2)
    assert (shares.argmax(axis=1) == squared.argmin(axis=1)).all()
    # Independent k-means finds no clusters that are much tighter.
    every = float_maps(started, pictures, "place_local")
    every = np.moveaxis(every, 1, -1).reshape(-1, every.shape[1])
    ours = np.square(every[:, None] - centroids).sum(axis=2).min(axis=1).sum()
    assert ours < 1.1 * KMeans(7, n_init=3, random_state=0).fit(every).inertia_
    unchanged = set(started.tensors) - {
        "layers.place_assign.weight",
        "layers.place_assign.bias",
        "layers.place_centroids.weight",
    }
    for name in unchanged:
        np.testing.assert_array_equal(started.tensors[name], checkpoint.tensors[name])
    with pytest.raises(CheckpointError, match="no clusters"):
        with_clusters(float_checkpoint(UNSHUFFLED)[1], pictures)


def test_what_cannot_be_projected_or_whitened_is_refused_with_a_sentence() -> None:
    with pytest.raises(CheckpointError, match="GeM cannot be projected"):
        build_graph(replace(UNSHUFFLED, place_projection=8))
    with pytest.raises(CheckpointError, match="no place head is named 'mixvpr'"):
        build_graph(replace(UNSHUFFLED, head="mixvpr"))
    with pytest.raises(CheckpointError, match="needs clusters"):
        build_graph(replace(UNSHUFFLED, head="netvlad"))
    with pytest.raises(CheckpointError, match="needs place_overview"):
        build_graph(replace(UNSHUFFLED, head="pyramid"))
    with pytest.raises(DataError, match="vary in 4 directions"):
        fit_whitening(np.random.default_rng(0).normal(size=(5, 9)).astype(np.float32), 6)
    with pytest.raises(CheckpointError, match="without projection"):
        whitened(float_checkpoint(PROJECTED)[1], images(2), 2)

"""One training step: places, keypoints and labels through one backbone, and the losses."""

from contextlib import nullcontext
from dataclasses import asdict, fields

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from vpr_edge.errors import CheckpointError
from vpr_edge.models.config import NetworkConfig
from vpr_edge.models.graph import CONVOLUTIONS, Graph
from vpr_edge.models.network import Network
from vpr_edge.quantize.fake import FakeQuantNetwork
from vpr_edge.training.augment import apply_homography
from vpr_edge.training.batches import (
    Data,
    KeypointBatch,
    LabelledBatch,
    PlaceBatch,
    StepBatch,
    labelled_shares,
)
from vpr_edge.training.losses import corners, depth, domain, imitation, inliers, places
from vpr_edge.training.losses import keypoints as kp
from vpr_edge.training.losses import segmentation as seg
from vpr_edge.training.recipe import Recipe, Weights
from vpr_edge.training.schedule import ever_used, value_at

Parts = dict[str, Tensor]
Maps = dict[str, Tensor]


class SealedBatch:
    """A batch that Fabric hands on as it is.

    It casts the tensors that it finds to the number format of mixed precision; homographies and
    depths need all their digits.
    """

    def __init__(self, batch: StepBatch) -> None:
        self.batch = batch


def weights_at(weights: Weights, step: int) -> dict[str, float]:
    """The weights of a step that are not zero, by name."""
    values = {f.name: value_at(getattr(weights, f.name), step) for f in fields(weights)}
    return {name: value for name, value in values.items() if value}


def distilled_node(graph: Graph) -> str:
    """The features that the place head starts from: what its last convolution reads.

    Of a pyramid what is averaged, for its convolutions see averages alone.
    """
    if any(node.name == "place_cells_averages" for node in graph.nodes):
        return graph["place_cells_averages"].inputs[0]
    node = graph["place"]
    while node.op not in CONVOLUTIONS:
        node = graph[node.inputs[0]]
    return node.inputs[0]


def pixel_node(graph: Graph, cell: int) -> tuple[str, int]:
    """Where a network tells which pixel of a cell the keypoint is.

    Returns:
        The node with a logit for each pixel, and 0; or the features that the location is computed
        from, and how many they are, where the logits have yet to be learned from them.
    """
    node = graph[graph["location"].inputs[0]]
    if node.op == "softmax" and node.shape[0] == cell**2:
        return node.inputs[0], 0
    return node.name, node.shape[0]


class Step(nn.Module):
    """The network, what only training needs, and the losses.

    Args:
        network: what is trained, `Network` or `FakeQuantNetwork`.
        config: of the network.
        recipe: all settings.
        data: what batches are drawn from.
        original: the float network whose outputs are imitated, or None.

    Attributes:
        network: what is trained.
        lift: lifts features to the teacher's maps.
        inside: tells from a cell's features which of its pixels is the keypoint.
        inlier_net: judges matches of keypoints.
        discriminator: tells rendered pictures from real ones.
    """

    def __init__(
        self,
        network: nn.Module,
        config: NetworkConfig,
        recipe: Recipe,
        data: Data,
        original: Network | None = None,
    ) -> None:
        super().__init__()
        self.network, self.config, self.recipe = network, config, recipe
        graph: Graph = network.graph  # type: ignore[assignment]  # both kinds have one
        used = {f.name for f in fields(Weights) if ever_used(getattr(recipe.weights, f.name))}
        self.outputs = graph.outputs
        self.distilled = distilled_node(graph) if "place" in graph.outputs else ""
        self.cells = graph["place_cells"].shape if config.head == "pyramid" else (0, 0, 0)
        self.cell = 0
        self.lift = self.inside = self.inlier_net = self.discriminator = None
        if data.maps and "distill" in used and self.distilled:
            self.lift = nn.Conv2d(graph[self.distilled].shape[0], data.maps[0].shape[1], 1)
        self.pointed = self.pixel = ""
        if "location" in graph.outputs:
            self.cell = graph.input.shape[1] // graph["location"].shape[1]
            if {"corners", "agree", "keypoint_teacher"} & used:
                self.pointed, missing = pixel_node(graph, self.cell)
                if missing:
                    self.inside = nn.Conv2d(missing, self.cell**2, 1)
                else:
                    self.pixel = graph["location"].inputs[0]
            if "inliers" in used:
                self.inlier_net = inliers.InlierNet()
        if "domain" in used:
            self.discriminator = domain.Discriminator(config.classes)
        # In a tuple, so that neither its state nor its parameters are this module's.
        self._original: tuple[Network, ...] = (original,) if original else ()
        self.class_weights: Tensor
        self.register_buffer("class_weights", _balance(data, recipe, config), persistent=False)
        _refuse_unusable(recipe, used, graph)

    def forward(self, sealed: SealedBatch, weights: dict[str, float]) -> Parts:
        """The weighted losses by name.

        Args:
            sealed: holds a batch from `draw_batch`, on this module's device.
            weights: from `weights_at`.
        """
        batch = sealed.batch
        groups = {
            "places": [batch.places.images] if batch.places else [],
            "keypoints": [batch.keypoints.a, batch.keypoints.b] if batch.keypoints else [],
            "labelled": [batch.labelled.images] if batch.labelled else [],
        }
        pictures = [images for group in groups.values() for images in group]
        # One pass for all tasks, so that BatchNorm sees one distribution.
        images = torch.cat(pictures).contiguous(memory_format=torch.channels_last)
        inner = tuple(name for name in (self.distilled, self.pointed, self.pixel) if name)
        # Fake quantisation counts on float32 to hold integers exactly.
        exact = isinstance(self.network, FakeQuantNetwork)
        with torch.autocast(images.device.type, enabled=False) if exact else nullcontext():
            outputs = self.network(images, (*self.outputs, *inner))
        with torch.autocast(images.device.type, enabled=False):
            outputs = {name: value.float() for name, value in outputs.items()}
            parts: Parts = {}
            if "imitate" in weights:
                parts["imitate"] = weights["imitate"] * self._imitation(images, outputs)
            first = len(batch.places.images) if batch.places else 0
            if "hold" in weights and first < len(images):
                others = {k: v[first:] for k, v in outputs.items() if k != "place"}
                parts["hold"] = weights["hold"] * self._imitation(images[first:], others)
            if self.cell and self.config.keypoint_reach < 1:
                reach = self.config.keypoint_reach
                outputs["location"] = kp.as_whole_reach(outputs["location"], reach)
            split = {n: list(v.split([len(p) for p in pictures])) for n, v in outputs.items()}
            seen = {
                name: [{n: v.pop(0) for n, v in split.items()} for _ in group]
                for name, group in groups.items()
            }
            if batch.places and self.distilled:
                parts |= self._places(seen["places"][0], batch.places, weights)
            if batch.keypoints and self.cell:
                a, b = seen["keypoints"]
                parts |= self._keypoints(a, b, batch.keypoints, weights)
            if batch.labelled:
                parts |= self._labelled(seen["labelled"][0], batch.labelled, weights)
            if self.discriminator and "domain" in weights:
                parts["domain"] = self._domain(seen, batch, weights["domain"])
        return parts

    def _imitation(self, images: Tensor, outputs: Maps) -> Tensor:
        with torch.no_grad():
            targets = self._original[0](images)
        # A network in another form may have an output at another resolution.
        alike = {k: t for k, t in targets.items() if k in outputs and t.shape == outputs[k].shape}
        if not alike:
            raise CheckpointError(
                "no output has the shape that it has in init's network; set weights.imitate to 0."
            )
        return imitation.imitation(outputs, alike)

    def _places(self, seen: Maps, batch: PlaceBatch, w: dict[str, float]) -> Parts:
        parts: Parts = {}
        place = seen["place"]
        vectors = places.place_vectors(place, self.config)
        half = len(vectors) // 2
        relations = places.pair_relations(batch.ignore)
        if "contrast" in w:
            parts["contrast"] = w["contrast"] * places.contrastive(
                vectors[:half], vectors[half:], batch.ignore, self.recipe.temperature
            )
        if "triplet" in w:
            found = places.hardest_triplet(vectors, relations, self.recipe.margin)
            parts["triplet"] = w["triplet"] * found
        if "hinge" in w:
            found = places.all_pairs_hinge(vectors, relations, self.recipe.margin)
            parts["hinge"] = w["hinge"] * found
        if "multi_similarity" in w:
            found = places.multi_similarity(vectors, relations)
            parts["multi_similarity"] = w["multi_similarity"] * found
        if batch.targets is None:
            return parts
        if self.config.head == "pyramid":
            return parts | self._pyramid(seen, batch, w)
        maps, target = batch.targets
        if "distill" in w and self.lift:
            lifted = self.lift(_pooled(seen[self.distilled], maps))
            parts["distill_maps"] = w["distill"] * imitation.distillation(lifted, maps)
        # A teacher's vector says nothing of the cells of a grid.
        is_grid = self.config.head == "convap" and target.shape[1] == place.shape[1]
        if is_grid and target.shape[2] >= place.shape[2] and target.shape[3] >= place.shape[3]:
            target = _pooled(target, place)
            if "distill" in w:
                parts["distill_place"] = w["distill"] * imitation.distillation(place, target)
        if "relate" in w:
            parts["relate"] = w["relate"] * imitation.relation(vectors, target.flatten(1))
        return parts

    def _pyramid(self, seen: Maps, batch: PlaceBatch, w: dict[str, float]) -> Parts:
        """A target for each part; the overview also tells places apart on its own."""
        assert batch.targets is not None
        parts: Parts = {}
        maps, target = batch.targets
        grid, overview = places.place_parts(seen["place"], self.cells, self.config.place_overview)
        cells = functional.normalize(_pooled(target, grid), dim=1)
        taught = [("grid", grid, cells, 1.0)]
        if batch.overview is not None and "overview" in w:
            taught.append(("overview", overview, batch.overview, w["overview"]))
        if "distill" in w and self.lift:
            lifted = self.lift(_pooled(seen[self.distilled], maps))
            parts["distill_maps"] = w["distill"] * imitation.distillation(lifted, maps)
        for name, part, known, weight in taught:
            if "distill" in w:
                found = imitation.distillation(part, known)
                parts[f"distill_{name}"] = w["distill"] * weight * found
            if "relate" in w:
                vectors = functional.normalize(part.flatten(1), dim=1)
                found = imitation.relation(vectors, known.flatten(1))
                parts[f"relate_{name}"] = w["relate"] * weight * found
        if "contrast" in w and "overview" in w:
            a, b = overview.flatten(1).chunk(2)
            found = places.contrastive(a, b, batch.ignore, self.recipe.temperature)
            parts["contrast_overview"] = w["contrast"] * w["overview"] * found
        return parts

    def _keypoints(self, a: Maps, b: Maps, batch: KeypointBatch, w: dict[str, float]) -> Parts:
        parts: Parts = {}
        if {"keypoints", "keypoint_triplet", "usp", "inliers"} & set(w):
            m = kp.match(a, b, batch.a_to_b, self.cell)
            found = kp.describe(a["descriptor"], m.here, m.size)
            sought = kp.describe(b["descriptor"], m.mapped, m.size)
            if "keypoints" in w:
                weight = w["keypoints"]
                parts["keypoint_location"] = weight * kp.location(m)
                parts["keypoint_descriptor"] = weight * kp.descriptor_contrast(m, found, sought)
                parts["keypoint_score"] = weight * kp.found_again(m, a, b, found)
            if "keypoint_triplet" in w:
                triplet = kp.descriptor_triplet(m, found, sought)
                parts["keypoint_triplet"] = w["keypoint_triplet"] * triplet
            if "usp" in w:
                parts["keypoint_usp"] = w["usp"] * kp.usp(m, a, b)
            if "inliers" in w and self.inlier_net:
                other = kp.describe(b["descriptor"], m.there, m.size)
                scored = a["score"].flatten(1)
                judged = inliers.inliers(m, found, other, scored, self.inlier_net)
                parts["keypoint_inliers"] = w["inliers"] * judged
        if "agree" in w:
            logits = (self._pixel_logits(a), self._pixel_logits(b))
            scores = (a["score"], b["score"])
            found = corners.agreement(logits, scores, batch.a_to_b, self.cell)
            parts["keypoint_agree"] = w["agree"] * found
        views = ((a, batch.clean_a), (b, batch.clean_b))
        if "corners" in w:
            for seen, clean in views:
                targets = corners.corner_targets(clean, self.cell)
                self._add_points(parts, "keypoint", seen, targets, w["corners"] / len(views))
        if "keypoint_teacher" in w and batch.taught:
            scores = (batch.taught.score_a, batch.taught.score_b)
            for (seen, _), score in zip(views, scores, strict=True):
                targets = corners.heat_targets(score.clamp(0, 1), self.cell)
                self._add_points(parts, "taught", seen, targets, w["keypoint_teacher"] / 2)
            related = _descriptor_relation((a, b), batch, self.cell)
            # Cosines of keypoints differ ten times as much as those of places.
            parts["taught_descriptor"] = w["keypoint_teacher"] / 10 * related
        return parts

    def _pixel_logits(self, seen: Maps) -> Tensor:
        """Which of a cell's pixels is the keypoint, as logits [N, cell^2, h, w]."""
        if self.inside is None:
            return seen[self.pointed] / corners.SHARPNESS
        return self.inside(seen[self.pointed])

    def _add_points(
        self, parts: Parts, name: str, seen: Maps, targets: corners.PointTargets, weight: float
    ) -> None:
        location = seen["location"]
        if self.pixel and isinstance(self.network, Network):
            # The pixels learn by classification alone: a gap in pixels would blur them.
            location = self.network.layers["location"](seen[self.pixel].detach())
        inside = self._pixel_logits(seen)
        taught = corners.points(location, seen["score"], inside, targets, self.cell)
        for part, value in taught.items():
            so_far = parts.get(f"{name}_{part}", value.new_zeros(()))
            parts[f"{name}_{part}"] = so_far + weight * value

    def _labelled(self, seen: Maps, batch: LabelledBatch, w: dict[str, float]) -> Parts:
        parts: Parts = {}
        if "segmentation" in w and "segmentation" in seen:
            logits = seen["segmentation"]
            found = seg.segmentation(logits, batch.labels, self.class_weights)
            parts["segmentation"] = w["segmentation"] * found
        if "depth" in w:
            found = depth.scale_invariant_log(seen["depth"], batch.depth)
            parts["depth"] = w["depth"] * found
        return parts

    def _domain(self, seen: dict[str, list[Maps]], batch: StepBatch, strength: float) -> Tensor:
        assert self.discriminator is not None
        groups = [(seen[n], b) for n, b in (("places", batch.places), ("labelled", batch.labelled))]
        logits = torch.cat([maps[0]["segmentation"] for maps, b in groups if b])
        rendered = torch.cat([b.rendered for _, b in groups if b])
        return domain.domain(logits, rendered, self.discriminator, strength)


def _pooled(maps: Tensor, like: Tensor) -> Tensor:
    """Maps averaged to the rows and columns of others."""
    return functional.adaptive_avg_pool2d(maps, (like.shape[2], like.shape[3]))


def _descriptor_relation(views: tuple[Maps, Maps], batch: KeypointBatch, cell: int) -> Tensor:
    """The cosines between all points of both views, at those that the teacher finds there."""
    assert batch.taught is not None
    height, width = batch.a.shape[2:]
    found, known = [], []
    for seen, to_photograph in zip(views, (batch.taught.to_a, batch.taught.to_b), strict=True):
        positions = kp.keypoint_positions(seen["location"].detach(), cell)
        found.append(kp.describe(seen["descriptor"], positions, (height, width)))
        centred = (positions + 0.5) * 2 / positions.new_tensor([width, height]) - 1
        there = apply_homography(to_photograph, centred)[:, None]
        teacher = functional.grid_sample(
            batch.taught.descriptor, there, padding_mode="reflection", align_corners=False
        )
        known.append(teacher[:, :, 0].transpose(1, 2))
    return imitation.relation(torch.cat(found, 1), torch.cat(known, 1))


def _balance(data: Data, recipe: Recipe, config: NetworkConfig) -> Tensor:
    """Weights of the classes, float32 [classes], by how rare they are."""
    if not data.labelled:
        return torch.ones(config.classes)
    counted = max(config.classes, seg.IGNORE + 1)
    share = labelled_shares(data, recipe) @ np.stack(
        [np.bincount(s.labels.ravel(), minlength=counted) / s.labels.size for s in data.labelled]
    )
    # The square root keeps rare classes (poles, people) learnable without flooding the map.
    balance = 1 / np.sqrt(share[: config.classes] + 1e-3)
    return torch.tensor(balance / balance.mean(), dtype=torch.float32)


def _refuse_unusable(recipe: Recipe, used: set[str], graph: Graph) -> None:
    """Say so when a loss could never be counted, before any step is run."""
    if not any(asdict(recipe.batch).values()):
        raise CheckpointError("every part of the recipe's batch is 0; set one to learn from.")
    missing = {
        "depth": ("depth" in graph.outputs, "a network with an output 'depth'"),
        "domain": ("segmentation" in graph.outputs, "a network that segments"),
        "keypoint_teacher": (bool(recipe.keypoint_teacher), "the setting keypoint_teacher"),
        "imitate": (bool(recipe.init), "the setting init"),
        "hold": (bool(recipe.init), "the setting init"),
    }
    for name, (there, needed) in missing.items():
        if name in used and not there:
            raise CheckpointError(
                f"the loss {name!r} needs {needed}; set weights.{name} to 0 or give it."
            )

"""Positions of networks whose offsets end before a whole cell."""

import numpy as np
import torch

from vpr_edge.benchmarks.tasks.keypoint_sources import decode_keypoints
from vpr_edge.training.losses.keypoints import as_whole_reach, keypoint_positions


def test_training_and_decoding_agree_where_a_keypoint_lies() -> None:
    random = np.random.default_rng(0)
    location = random.normal(size=(6, 8, 2), scale=3).astype(np.float32)
    # Scores in the order of the cells keep the decoder's order.
    score = -np.arange(48, dtype=np.float32).reshape(6, 8, 1) / 10
    decoded = decode_keypoints(
        score, location, np.ones((6, 8, 4), np.float32), 4, None, 0.0, -9.0, reach=0.75
    )
    logits = torch.from_numpy(location).permute(2, 0, 1)[None]
    trained = keypoint_positions(as_whole_reach(logits, 0.75), cell=4)
    np.testing.assert_allclose(trained[0].numpy(), decoded.xy, atol=1e-4)

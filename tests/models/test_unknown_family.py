"""A configuration of a family that this version does not know."""

from dataclasses import replace

import pytest

from vpr_edge.errors import CheckpointError
from vpr_edge.models.zoo import build_graph, network_config


def test_an_unknown_family_is_refused_in_one_sentence() -> None:
    with pytest.raises(CheckpointError, match="no family of networks is named") as refused:
        build_graph(replace(network_config("nano"), family="a\nb"))
    assert "\n" not in str(refused.value)

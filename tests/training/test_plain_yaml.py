"""A recipe that is no plain YAML is refused by one short sentence."""

from pathlib import Path

import pytest

from vpr_edge.errors import CheckpointError
from vpr_edge.training.recipe import load_recipe, read_settings, shipped_recipes


@pytest.mark.parametrize(
    "text", ["a: &a [x]\nb: [*a, *a]", "base: [nano]", "base: {a: 1}", "a: " + "[" * 5000]
)
def test_what_is_not_plain_is_refused_shortly(tmp_path: Path, text: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(CheckpointError) as caught:
        load_recipe(str(path))
    assert len(str(caught.value)) < 300 + len(str(path))


@pytest.mark.parametrize("name", sorted(shipped_recipes()))
def test_every_shipped_recipe_is_plain(name: str) -> None:
    assert read_settings(name)

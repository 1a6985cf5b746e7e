"""The tiny town, rendered once."""

from pathlib import Path

import pytest

from tests.training.tiny import tiny_data, tiny_town
from vpr_edge.training.batches import Data


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_town(tmp_path_factory.mktemp("town") / "town")


@pytest.fixture(scope="session")
def data(town: Path) -> Data:
    return tiny_data(town)

"""Fixtures that several test folders use."""

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data beside the checkout; skips where there is none."""
    if not (SHARED / "data").is_dir():
        pytest.skip("real data is not here: no ../shared/data beside the checkout")
    return SHARED / "data"

"""Who may import whom, as `[tool.importlinter]` in pyproject.toml declares it."""

from pathlib import Path

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

ROOT = Path(__file__).parents[1]


def test_every_import_points_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert lint_imports("pyproject.toml", cache_dir=None) == EXIT_STATUS_SUCCESS

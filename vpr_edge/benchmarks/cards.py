"""The measured figures in the model cards of the shipped checkpoints.

A card is Markdown beside the weights; its figures stand in one JSON block, so that what a person
reads and what `vpr-edge models` prints are the same.
"""

import json
import re

from vpr_edge.benchmarks.rows import Row
from vpr_edge.models.checkpoint import shipped_checkpoints


def checkpoint_figures() -> list[Row]:
    """The rows of all cards."""
    rows: list[Row] = []
    for path in shipped_checkpoints().values():
        card = path.with_suffix(".md")
        if card.is_file():
            block = re.search(r"```json\n(.*?)```", card.read_text(), re.S)
            rows += [Row(**row) for row in json.loads(block.group(1))["rows"]] if block else []
    return rows

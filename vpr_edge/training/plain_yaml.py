"""YAML as recipes need it: no aliases, which a short file unfolds to gigabytes, and not deep."""

from typing import Any

import yaml

DEEPEST = 16
LONGEST = 1 << 20


class _Plain(yaml.SafeLoader):
    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("it uses an alias (*name); write the value out")
        self.depth += 1
        if self.depth > DEEPEST:
            raise yaml.YAMLError(f"it is nested more than {DEEPEST} deep")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def load_plain(text: str) -> Any:
    """The values of a YAML document.

    Raises:
        yaml.YAMLError: not YAML, longer than 1 MiB, nested too deep, or with an alias.
    """
    if len(text) > LONGEST:
        raise yaml.YAMLError(f"it is longer than {LONGEST} characters")
    return yaml.load(text, _Plain)

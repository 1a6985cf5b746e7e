"""Which names may become file names, C identifiers and words of a shell."""

import re
from typing import Any

LONGEST_NAME = 64
_NAME = re.compile(rf"[A-Za-z0-9](?:[A-Za-z0-9._-]{{0,{LONGEST_NAME - 2}}}[A-Za-z0-9_-])?")
# Windows takes these for devices, whatever suffix they have.
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)
RULE = (
    f"choose up to {LONGEST_NAME} letters, digits, '-', '_' and '.' that begin with a letter or "
    "digit, do not end with '.', and are no device of Windows"
)


def is_name(text: Any) -> bool:
    """Whether a text can name files on every system, without meaning to any shell (see `RULE`)."""
    return isinstance(text, str) and bool(_NAME.fullmatch(text)) and not is_device(text)


def is_device(text: str) -> bool:
    """Whether Windows would take a file of that name for a device, such as "con" and "aux.c"."""
    return bool(_DEVICE.fullmatch(text))

"""Text from files and names, made safe for what it is put into."""

import re

# Control characters, and those that reorder or break lines (Unicode's bidirectional controls).
_CONTROL = r"\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff"
_UNPRINTABLE = re.compile(f"[{_CONTROL}]")
_UNPRINTABLE_BUT_LINES = re.compile(f"(?!\n)[{_CONTROL}]")
_LONGEST_COMMENT = 120
# What has a meaning in GitHub's Markdown within a line, and what begins HTML there.
_MARKDOWN = re.compile(r"([\\`*\[\]<>|~])")
# A cell that begins so is a formula to spreadsheets.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def for_terminal(text: str, lines: bool = False) -> str:
    r"""Text without control characters, which could move the cursor or forge lines: \x1b for ESC.

    Args:
        text: anything.
        lines: whether line breaks may stay.
    """
    unprintable = _UNPRINTABLE_BUT_LINES if lines else _UNPRINTABLE
    return unprintable.sub(lambda found: _escape(found[0]), text)


def for_c_comment(text: str) -> str:
    """Text within a C comment: one line that ends no comment and holds no trigraph or splice."""
    plain = re.sub(r"[^\x20-\x7e]|\\", "?", text)
    plain = plain.replace("*/", "* /").replace("/*", "/ *")[:_LONGEST_COMMENT]
    return re.sub(r"\?(?=\?)", "? ", plain)


def for_markdown(text: str) -> str:
    """Text within a line or a table's cell of Markdown, as it stands."""
    return _MARKDOWN.sub(r"\\\1", for_terminal(" ".join(text.split("\n"))))


def for_markdown_code(text: str) -> str:
    """Text as a code span, whose fence is longer than any in it."""
    plain = for_terminal(text)
    longest = max((len(run) for run in re.findall("`+", plain)), default=0)
    fence, gap = "`" * (longest + 1), " " if longest else ""
    return f"{fence}{gap}{plain}{gap}{fence}"


def for_csv(value: object) -> object:
    """A cell of CSV: text that a spreadsheet would compute is quoted by an apostrophe."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{for_terminal(value)}"
    return for_terminal(value) if isinstance(value, str) else value


def _escape(character: str) -> str:
    if character in "\n\r\t":
        return {"\n": r"\n", "\r": r"\r", "\t": r"\t"}[character]
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"

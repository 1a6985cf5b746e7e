"""How what is optional is installed: from the repository, since no registry has the package."""


def install_extra(extra: str = "") -> str:
    """The command that installs vpr-edge with an extra, and where it is given.

    Args:
        extra: such as "train"; "" for the package alone.
    """
    what = f"'.[{extra}]'" if extra else "."
    return f"in a clone of the repository: pip install -c constraints.txt -e {what}"

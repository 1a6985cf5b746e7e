"""One folder that CMake, Zephyr, ESP-IDF, PlatformIO, Arduino and CMSIS-Pack tools all take.

All C lies flat in `src/`, the kernels in `src/vpr_runtime/`, and every include is relative to the
file that has it: Arduino adds no include path but `src/`, so nothing may need more. The manifests
beside it come from the templates by the one table `FILES`; what each must hold is specified in

- CMakeLists.txt: CMake 3.13; Zephyr's "Modules"; ESP-IDF's "Build System" (component
  CMakeLists.txt). Zephyr defines the CMake variable ZEPHYR_BASE, ESP-IDF defines ESP_PLATFORM.
- zephyr/module.yml: Zephyr's "Modules (External projects)", "Module yaml file description".
- idf_component.yml: ESP-IDF Component Manager's "idf_component.yml Manifest File".
- library.json: PlatformIO's "library.json" page of "Library Manager".
- library.properties: Arduino's "Library specification", revision 1.5 or later (`src/`).
- *.pdsc: Open-CMSIS-Pack's "Pack Description Format", schema version 1.7.
"""

import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from vpr_edge import __version__
from vpr_edge.errors import OutputError
from vpr_edge.firmware_bridge.compile.emit import template_environment

SOURCES = "src"
# Arduino's and CMSIS-Pack's tools accept no more of Semantic Versioning than this.
VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")

# Path in the folder (a template of its own), template. Those with "selftest" in the name are left
# out of a package without golden vectors.
FILES = (
    ("CMakeLists.txt", "CMakeLists.txt.j2"),
    ("zephyr/module.yml", "module.yml.j2"),
    ("zephyr/Kconfig", "Kconfig.j2"),
    ("idf_component.yml", "idf_component.yml.j2"),
    ("library.json", "library.json.j2"),
    ("library.properties", "library.properties.j2"),
    ("{{ vendor }}.{{ name }}.pdsc", "pdsc.j2"),
    ("README.md", "README.md.j2"),
    ("selftest/main.c", "selftest_main.c.j2"),
    ("examples/selftest/selftest.ino", "selftest.ino.j2"),
)


@dataclass(frozen=True)
class Package:
    """What a package says of itself beside the model.

    Attributes:
        version: three numbers; raise it when the network changes.
        author: a name or "name <address>".
        vendor: of the CMSIS-Pack, letters, digits, "-" and "_".
        url: where people read more; empty where there is no such place.
        released: the day in the CMSIS-Pack's list of releases; None leaves it out, so that the
            same model gives the same folder.
    """

    version: str = __version__
    author: str = "vpr-edge"
    vendor: str = "vpr-edge"
    url: str = ""
    released: date | None = None


def write_package(
    folder: Path, name: str, sha256: str, selftest: bool, package: Package
) -> list[Path]:
    """Write the manifests around `folder`/src, which holds the C already.

    Args:
        folder: the package.
        name: the model's, a lower-case C identifier.
        sha256: of the model.
        selftest: whether there are golden vectors.
        package: the rest.

    Returns:
        The files written.

    Raises:
        OutputError: the version, vendor, author or URL cannot stand in a manifest.
    """
    _check(package)
    files = sorted(path for path in (folder / SOURCES).rglob("*.[ch]"))
    fields = {
        **vars(package),
        "name": name,
        "macro": name.upper(),
        "sha256": sha256,
        "selftest": selftest,
        "sources": [p.relative_to(folder).as_posix() for p in files if p.suffix == ".c"],
        "headers": [p.relative_to(folder).as_posix() for p in files if p.suffix == ".h"],
        "tool_version": __version__,
    }
    written = []
    for pattern, template in FILES:
        if "selftest" in template and not selftest:
            continue
        path = folder / template_environment(__package__).from_string(pattern).render(fields)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(template_environment(__package__).get_template(template).render(fields))
        written.append(path)
    return written


def _check(package: Package) -> None:
    if not VERSION.fullmatch(package.version):
        raise OutputError(
            f"'{package.version}' is no version of a package; give three numbers such as 1.0.0."
        )
    if not re.fullmatch(r"[A-Za-z0-9_-]+", package.vendor):
        raise OutputError(
            f"'{package.vendor}' cannot name a vendor; choose letters, digits, '-' and '_'."
        )
    for label, text in (("author", package.author), ("url", package.url)):
        if not re.fullmatch(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\"\\]*", text):
            raise OutputError(
                f"The {label} '{text}' cannot stand in a manifest; give one line without quotation "
                "marks and backslashes."
            )

"""Which toolchain serves which core."""

import pytest

from vpr_edge.errors import ToolMissingError
from vpr_edge.firmware_bridge.emulate import toolchain
from vpr_edge.firmware_bridge.emulate.cores import CORES, core_named
from vpr_edge.firmware_bridge.emulate.toolchain import choose_toolchain


def test_an_unknown_core_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ToolMissingError, match=r"cortex-m99.*cortex-m0.*cortex-m55"):
        core_named("cortex-m99")


def test_an_unknown_toolchain_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ToolMissingError, match=r"'iar'.*gcc\+qemu, zig\+unicorn"):
        choose_toolchain(CORES["cortex-m4"], "iar")


def test_unicorn_is_refused_for_helium_and_the_other_is_named() -> None:
    with pytest.raises(ToolMissingError, match=r"cortex-m55.*gcc\+qemu.*apt-get install"):
        choose_toolchain(CORES["cortex-m55"], "zig+unicorn")


@pytest.mark.parametrize("core", CORES)
def test_where_nothing_is_installed_the_sentence_says_what_to_install(
    core: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toolchain, "find_spec", lambda name: None)
    monkeypatch.setattr(toolchain.shutil, "which", lambda name: None)
    with pytest.raises(ToolMissingError, match=f"{core} is installed; .*qemu-system-arm") as error:
        choose_toolchain(CORES[core])
    assert ("pip install" in str(error.value)) == (core != "cortex-m55")


def test_debians_toolchain_is_preferred_and_python_packages_suffice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(toolchain, "find_spec", lambda name: name)
    monkeypatch.setattr(toolchain.shutil, "which", lambda name: name)
    assert choose_toolchain(CORES["cortex-m4"]).name == "gcc+qemu"
    monkeypatch.setattr(toolchain.shutil, "which", lambda name: None)
    assert choose_toolchain(CORES["cortex-m4"]).name == "zig+unicorn"

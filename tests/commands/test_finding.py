"""The list of commands: each line is the first of the command's own help, and listing is light."""

import subprocess
import sys

import pytest
from click import Context

from vpr_edge.cli import COMMANDS, cli


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_of_a_command_what_its_help_says(name: str) -> None:
    command = cli.get_command(Context(cli), name)
    assert command is not None and command.name == name
    assert command.get_short_help_str(100) == COMMANDS[name][1]


def test_listing_the_commands_imports_no_numpy() -> None:
    code = "import sys; from vpr_edge.cli import cli; cli(['--help'], standalone_mode=False); "
    code += "sys.exit('numpy' in sys.modules or 'rich' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL).returncode == 0

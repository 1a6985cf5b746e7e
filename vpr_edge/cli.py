"""The command line: finds the commands, and nothing else."""

from importlib import import_module

import click

from vpr_edge import __version__
from vpr_edge.commands.ending import run_command

COMMANDS = {
    "demo": ("demo:demo", "Go the whole way and write a report."),
    "models": ("models:models", "List the networks and shipped checkpoints."),
    "data": ("data:data", "List data sets, or render the town."),
    "doctor": ("doctor:doctor", "Say which tools are here."),
    "train": ("train:train", "Run a training recipe, or several as stages."),
    "pseudo-label": (
        "pseudo_label:pseudo_label",
        "Label pictures by a given network, to train on them.",
    ),
    "sequence": ("sequence:sequence", "Train an int8 LSTM that describes places by sequences."),
    "whiten": ("whiten:whiten", "Shorten the place descriptor by PCA whitening."),
    "import": (
        "import_checkpoint:import_checkpoint",
        "Bring in a network as a float checkpoint.",
    ),
    "fit-places": (
        "fit:fit_places",
        "Compute the place head of a trained network from a teacher, in closed form.",
    ),
    "quantize": ("quantize:quantize", "Turn a float checkpoint into int8."),
    "survey": ("survey:survey", "Bring in, quantise and measure a folder of ONNX networks."),
    "export": ("export:export", "Write ONNX, int8 TFLite, or C for a microcontroller."),
    "verify": ("verify:verify", "Check an export again: files, golden vectors, versions."),
    "bench": ("bench:bench", "Measure latency, instructions, memory, size and accuracy."),
    "eval": ("evaluate:evaluate_command", "Measure accuracy on a data set."),
}
"""By name the function, and its line in the list: a list must not import what it lists."""


class Commands(click.Group):
    """Imports a command when it is called by its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """See `click.Group`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """See `click.Group`."""
        if cmd_name not in COMMANDS:
            return None
        module, _, function = COMMANDS[cmd_name][0].partition(":")
        command = getattr(import_module(f"vpr_edge.commands.{module}"), function)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """See `click.Group`."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in COMMANDS.items()])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """From a small PyTorch network to a place recognised on a microcontroller.

    \b
    vpr-edge demo                                          the whole way, with a report
    vpr-edge import net.onnx                               a network of your own
    vpr-edge quantize nano                                 float checkpoint to int8
    vpr-edge export nano-int8 --target tflite-int8         int8 checkpoint to TFLite
    vpr-edge bench out/nano.tflite                         its latency and memory
    vpr-edge eval out/nano.tflite --task places --data town    its accuracy

    CKPT is a file or a shipped checkpoint (see `vpr-edge models`).
    """


def main() -> None:
    """The console script."""
    run_command(cli)

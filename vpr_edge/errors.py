"""Errors a user can act on: one sentence each, printed by the command line, which then exits 2."""


class VprEdgeError(Exception):
    """What was wrong, where, and what to do about it, in one sentence."""


class DataError(VprEdgeError):
    """An image, a folder of images or a ground-truth file cannot be used."""


class CheckpointError(VprEdgeError):
    """A checkpoint is missing, cut short, of another kind, or of an unknown network."""


class ModelError(VprEdgeError):
    """A model file (ONNX, TFLite) cannot be read, or asks for something that is not covered."""


class OutputError(VprEdgeError):
    """An output exists already, or could not be written."""


class ToolMissingError(VprEdgeError):
    """An optional package, tool or device is not here; the sentence says how to get it."""


class DeviceError(VprEdgeError):
    """A device does not answer, refuses, vanished, or cannot do what was asked of it."""

"""vpr-edge: from a small PyTorch network to a place recognised on a microcontroller.

The packages follow the way of the data: `models`, `datasets`, `training`, `quantize`, `export`,
`places`, `benchmarks`. Importing this package imports none of them.
"""

__version__ = "0.1.0"

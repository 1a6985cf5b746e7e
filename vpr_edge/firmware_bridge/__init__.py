"""The ahead-of-time compiler from int8 TFLite to C, its C runtime, and firmware packages.

A model goes through small stages in a row: `importer` (file to operators, every type checked),
`passes` (rewrites), `plan` (order and arena offsets), `emit` (C text), `project` (the folder). The
kernels in `runtime/` are C headers that the folder takes along.

From outside import `compiler.compile_model`, `project.write_project` and `host.NativeModel`.
"""

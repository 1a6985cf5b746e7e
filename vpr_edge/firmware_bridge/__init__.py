"""The ahead-of-time compiler from int8 TFLite to C, its C runtime, and firmware packages.

A model goes through small stages in a row, all in `compile`: `importer` (file to operators, every
type checked), `passes` (rewrites), `plan` (order and arena offsets), `emit` (C text), `project`
(the folder). `operators` knows one operator a file, on what stands in `operators.shared`; the
kernels in `runtime/` are C headers that the folder takes along. `vision` is the device's way from a
camera's frame to keypoints and places, `emulate` runs it all on emulated cores.

From outside import `compile.compiler.compile_model`, `compile.project.write_project` and
`compile.host.NativeModel`.
"""

"""Emulated microcontrollers: compile C to a bare-metal image, run it, count its instructions.

`cores` says which cores there are, `toolchain` which compiler and emulator serve one, `image`
builds, `run` runs. `bare_metal/` is the device's own C: start-up, files, marks, a UART.

From outside import `cores.core_named`, `toolchain.choose_toolchain`, `image.build_image` and
`run.run_image`.
"""

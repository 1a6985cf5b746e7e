"""A real board on a serial port, which runs the firmware of examples/firmware.

From outside import `board`; `messages` is the host's side of the protocol.
"""

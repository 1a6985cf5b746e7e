"""Where artefacts are measured: this host, emulated cores, a board on a serial port, a Jetson."""

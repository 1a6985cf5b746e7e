"""Artefacts on a Jetson: import `bench_jetson` and `RUNTIMES`, nothing past them."""

from vpr_edge.benchmarks.devices.jetson.bench import RUNTIMES, bench_jetson

__all__ = ["RUNTIMES", "bench_jetson"]

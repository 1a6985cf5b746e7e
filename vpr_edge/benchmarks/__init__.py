"""Measuring artefacts: runtimes, latency, memory, accuracy by task, the report and the demo.

From outside import `runtimes.open_runtime`, `host.bench_host`, `evaluate.evaluate` and
`demo.run_demo`.
"""

"""Measuring artefacts: runtimes, latency, memory, accuracy by task, the report and the demo.

From outside import `runtimes.open_runtime`, `host.bench_host`, `measurement.measure`,
`results.read_results`, `compare.changes`, `bench_report.write_bench_report`,
`diagnose.diagnose_artefact`, `evaluate.evaluate` and `demo.run_demo`.
"""

"""Measuring artefacts: figures as rows, kept in results files, compared and reported.

`devices` measures on the host, on emulated microcontrollers, on boards and on a Jetson; `tasks`
judges accuracy; `diagnosis` says where int8 loses and what helps; `report` draws pages. From
outside import `measurement.measure`, `results.read_results`, `compare.changes`,
`tasks.evaluate.evaluate` and `report.bench_report.write_bench_report`.
"""

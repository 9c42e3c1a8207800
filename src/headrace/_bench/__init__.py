"""`python -m headrace bench`: headrace beside its peers, on real files.

How a figure comes about, from the bottom up:

| module | its part |
|---|---|
| `inputs.py` | the files that are read and written: a real tree, and large files made |
| `peers/` | how a user of each library writes each row |
| `rows.py` | what is measured: one row is one kind of work, counted in items |
| `measure.py` | calibration, verification, interleaved rounds, medians |
| `lateness.py` | how late a 1 ms timer is while the work runs |
| `memory.py` | the peak of memory while streaming, one process per peer |
| `report.py`, `chart.py` | the table (rich), the JSON, the chart (matplotlib) |
| `arguments.py`, `command.py` | the arguments, and the order of it all |

Nothing here is imported by `import headrace`.
"""

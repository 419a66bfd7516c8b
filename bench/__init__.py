# SPDX-License-Identifier: LGPL-3.0
"""Benchmarks: how fast, how large, how much memory. README.md says how to read them.

timing.py     wall and processor time, repetition, peak memory
report.py     rows and the table of results
histories.py  the databases that are measured
node_histories.py  a year of 10,000 nodes
questions.py  the requests that are timed
against.py    compares two checkouts
__main__.py   the program: runs measures, prints the table
measures/     what is measured, one noun a file
live/         the broker module beside flux-core's own, in an instance of Flux
"""

__all__ = [
    "against",
    "histories",
    "live",
    "measures",
    "node_histories",
    "questions",
    "report",
    "timing",
]

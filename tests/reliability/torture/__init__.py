# SPDX-License-Identifier: LGPL-3.0
"""Breaking the store on purpose: what takes minutes is run by `make torture`.

power.py     power loss at every point of a workload
disk.py      a disk that records each call, and can be put back to any point
faults.py    a disk on which each call fails
full.py      a disk that is full
kill.py      kill -9 at random moments
fuzz.py      fuzzing with atheris
targets.py   what is fuzzed: responses, requests, databases
hostile.py   malformed input
soak.py      load: a million jobs, with readers
readers.py   readers whose answers must add up
workload.py  what the store does, and what must hold of it afterwards
report.py    the lines and the table of results
__main__.py  the program: all parts, one table
"""

__all__ = [
    "disk",
    "faults",
    "full",
    "fuzz",
    "hostile",
    "kill",
    "power",
    "readers",
    "report",
    "soak",
    "targets",
    "workload",
]

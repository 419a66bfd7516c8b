# SPDX-License-Identifier: LGPL-3.0
"""Benchmarks: how fast, how large, how much memory. README.md says how to read them.

- ``timing``: wall and processor time, repetition, peak memory
- ``report``: rows and the table of results
- ``histories``: the databases that are measured
- ``questions``: the requests that are timed
- ``against``: compares two checkouts
- ``measures/``: what is measured, one noun a file
- ``live/``: the broker module beside flux-core's own, in an instance of Flux
"""

__all__ = ["against", "histories", "live", "measures", "questions", "report", "timing"]

# SPDX-License-Identifier: LGPL-3.0
"""Mutation testing: which small changes of the code no test notices. ``make mutants`` runs it.

    operators.py   what is mutated: operators of cosmic-ray, and a few of our own
    mutations.py   the mutants of a file
    selection.py   which tests hold a line of code: ``tests.toml``, and coverage within that
    executor.py    runs tests on mutants, each in a forked process
    equivalent.py  mutants accepted as equivalent, with reasons: ``equivalent.toml``
    report.py      the table of results

The process that forks imports third-party libraries only; a child imports the project with the
mutant in place of one file. Code that tests run in other programs is not mutated there: such
tests cannot kill a mutant.
"""

__all__ = ["equivalent", "executor", "mutations", "operators", "report", "selection"]

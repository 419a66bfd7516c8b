# SPDX-License-Identifier: LGPL-3.0
"""How long a thread could have run, and had no processor.

On a machine that is busy with other things, wall time says little about what a request took.
What is left of it without this is time in which the thread computed, or waited for the disk.
"""

from __future__ import annotations


def queued(task: int | str = "thread-self") -> float:
    """Return the seconds since a thread was started in which it waited for a processor.

    ``task``: the process id of another one's first thread. By schedstat (Linux,
    Documentation/scheduler/sched-stats.rst); 0 where the system does not say.
    """
    try:
        with open(f"/proc/{task}/schedstat", "rb", buffering=0) as file:
            return int(file.read(100).split()[1]) / 1e9
    except (OSError, LookupError, ValueError):
        return 0.0

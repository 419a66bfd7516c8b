# SPDX-License-Identifier: LGPL-3.0
"""The broker module beside flux-core's own, in an instance of Flux: ``make bench-flux``.

__main__.py     the program: starts instances, prints the table
inside.py       what runs in the instance: loads modules, sends requests, times them
job-manager.py  a broker module that serves a backlog in the job manager's place
"""

__all__ = ["inside"]

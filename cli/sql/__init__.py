# SPDX-License-Identifier: LGPL-3.0
"""What `flux-jobdb sql` shows, and its shell.

formats.py   rows as a table, as JSON lines, as CSV
instance.py  questions to the job-list of a Flux instance
shell.py     the shell that APSW brings, with Flux's functions
"""

__all__ = ["formats", "instance", "shell"]

# SPDX-License-Identifier: LGPL-3.0
"""The commands, one a file; ``command`` in each is the click command that ``cli.main`` runs.

query/    commands that read a database: lists, single jobs, statistics, gaps
store/    commands that write, check, copy or repair a database
service/  commands that run beside others: in Flux, or for flux-accounting
"""

__all__ = ["query", "service", "store"]

# SPDX-License-Identifier: LGPL-3.0
"""Follows the job manager's journal. docs/follower.md has the drawing.

    follower_states.py  every state, event and transition, and the actions of each
    follower.py         carries them out: accepts lines, requests journals, sets timers
    pending_lines.py    the pending queue: lines that are not stored yet, bounded
    unstored_lines.py   keeps lines while there is no database to store them in
    resources.py        follows the resource module's journal, whose lines go the same way
    node_hours.py       stores the node-time of hours that are over
    batches.py          stores lines, by the Writer of the source, and isolates a bad one

Nothing here depends on who sends requests, nor on Flux.
"""

__all__ = [
    "batches",
    "follower",
    "follower_states",
    "node_hours",
    "pending_lines",
    "resources",
    "unstored_lines",
]

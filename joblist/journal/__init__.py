# SPDX-License-Identifier: LGPL-3.0
"""Follows the job manager's journal. docs/follower.md has the drawing.

    follower_states.py  every state, event and transition, and what is done at each
    follower.py         carries that out: takes lines, asks for journals, sets timers
    pending_lines.py    lines that came and are not stored yet, bounded
    batches.py          stores them, by the Writer of the source, and isolates a bad line

Nothing here knows who asks, nor of Flux.
"""

__all__ = ["batches", "follower", "follower_states", "pending_lines"]

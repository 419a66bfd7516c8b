# SPDX-License-Identifier: LGPL-3.0
"""All nodes as they were at a past moment: the snapshot before it, and the inputs since."""

from __future__ import annotations

from math import inf, nextafter

import apsw

from eventstore.storage.sql import fetch, statements
from projections.node_views.fold import Fold
from projections.nodes.state import Nodes

SQL = statements(__file__)


def nodes_at(db: apsw.Connection, time: float) -> Nodes:
    """Return the nodes at ``time`` (seconds since the epoch), by all that is known today."""
    fold = Fold(db)
    fold.begin_before(nextafter(time, inf))
    fold.recall(time, 2**63 - 1)
    nodes = fold.nodes
    for restart, ended, why in fetch(db, SQL["load_at"], (time,)):
        # That the load had ended by then showed at the next restart.
        if restart == nodes.restart and why is not None and ended <= time:
            nodes.unknown = why
    return nodes

# SPDX-License-Identifier: LGPL-3.0
"""The projection of nodes: its rows follow from what the resource module sent, not jobs."""

from __future__ import annotations

from collections.abc import Iterable

import apsw

from projections.definitions.interface import Add, Put
from projections.job.state import Job
from projections.node_views.keeper import SCHEMA, Keeper, fill


class NodeViews:
    """The tables ``node``, ``node_history``, ``node_time`` and what belongs to them."""

    name = "nodes"
    version = 2
    schema = SCHEMA

    def rows(self, _: Job) -> Iterable[Put | Add]:
        """Return nothing: jobs change no node."""
        return ()

    @staticmethod
    def keeper() -> Keeper:
        """Return what takes part in each batch."""
        return Keeper()

    @staticmethod
    def fill(db: apsw.Connection, prefix: str) -> None:
        """Fill the tables with this prefix from all notices."""
        fill(db, prefix)

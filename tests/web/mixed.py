# SPDX-License-Identifier: LGPL-3.0
"""A history that has all kinds of jobs and nodes: those of two recordings in one database."""

from __future__ import annotations

import json
from typing import Any

from eventstore.ingest.writer import Writer
from eventstore.storage.connection import create_or_open
from projections.engine.views import Views
from tests.support.nodes.recordings import node_recordings
from tests.support.recordings import recordings

JOBS = next(one for one in recordings() if one.name == "mixed")
NODES = next(one for one in node_recordings() if one.name == "medium")


def store_mixed(path: str) -> None:
    """Store the jobs of `mixed`, and the nodes of `medium` with theirs."""
    with create_or_open(path) as store:
        views = Views(store)
        Writer(store, "jobs", views).append(
            [line for _, lines in JOBS.feed(JOBS.boots[-1]) for line in lines]
        )
        list(NODES.on_the_way(store, views))


def moments_of_jobs() -> list[tuple[float, dict[str, Any]]]:
    """Return (moment, checkpoint) of what was recorded of jobs on the way.

    A checkpoint is of the time of the last event before it. What follows a purge is left out: a
    purge has no time of its own.
    """
    found = []
    lines, latest = JOBS.journal(JOBS.boots[-1]), [0.0]
    for line in lines:
        times = [event["timestamp"] for event in json.loads(line)["events"]]
        latest.append(max([latest[-1], *times]))
    for checkpoint in JOBS.objects("checkpoints"):
        moment = latest[checkpoint["journal_lines"]]
        if moment and not checkpoint["purge_lines"] and checkpoint["boot"] == JOBS.boots[-1]:
            found.append((moment, checkpoint))
    return found

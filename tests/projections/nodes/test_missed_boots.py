# SPDX-License-Identifier: LGPL-3.0
"""A boot that nobody recorded, and one whose end nobody saw: what is said is what Flux said.

Boots of the recordings are left out, or cut short. Whatever cannot be known is null then, and a
reason is given; what is given is right.
"""

from __future__ import annotations

import json
from typing import Any

import apsw
import pytest

from eventstore.ingest.writer import Writer
from projections.engine.verify_views import differing
from projections.node_queries.present import NodeState, nodes
from projections.nodes.reducers import rounded
from tests.support.nodes.recordings import NodeRecording, drains, node_recordings, ranks
from tests.support.recordings import new_store

SEVERAL = [one for one in node_recordings() if len(one.streams) > 1]
LEFT_OUT = [(one, missed) for one in SEVERAL for missed, _ in one.streams[:-1]]


def name_of(value: object) -> str:
    return value.name if isinstance(value, NodeRecording) else str(value)


def checkpoints(recording: NodeRecording) -> list[dict[str, Any]]:
    return recording.objects("checkpoints")


def check_known(db: apsw.Connection, checkpoint: dict[str, Any]) -> list[NodeState]:
    """Compare all that is said to be known; returns the nodes."""
    expected = json.loads(checkpoint["resource_status"])
    found = nodes(db, checkpoint["time"])
    known = {node.rank for node in found if node.unknown is None}
    for name, value in (("online", True), ("offline", False)):
        assert known & ranks(expected[name]) == {
            node.rank for node in found if node.up is value and node.unknown is None
        }
    theirs = {rank: one for rank, one in drains(expected).items() if rank in known}
    assert theirs == {
        node.rank: (rounded(node.drained.since), node.drained.reason or "")
        for node in found
        if node.drained is not None and node.unknown is None
    }, checkpoint["label"]
    return found


@pytest.mark.parametrize(("recording", "missed"), LEFT_OUT, ids=name_of)
def test_a_missed_boot_is_not_known(recording: NodeRecording, missed: int) -> None:
    store, views = new_store()
    for boot, stream in recording.streams:
        if boot != missed:
            writer = Writer(store, f"stream {stream}", views, boot=str(boot))
            writer.append(recording.stream(stream))
            writer.close()
    for checkpoint in checkpoints(recording):
        found = check_known(store.db, checkpoint)
        if checkpoint["boot"] == missed:
            assert not [n for n in found if n.unknown is None or n.up is not None]
    later = [c for c in checkpoints(recording) if c["boot"] > missed]
    last = nodes(store.db, later[-1]["time"])
    said = json.loads(later[-1]["resource_status"])
    assert {node.rank for node in last} == ranks(said["online"]) | ranks(said["offline"])
    assert all(node.up is not None for node in last)  # of this boot, that is known again
    assert differing(store.db) is None


@pytest.mark.parametrize("recording", SEVERAL, ids=name_of)
def test_the_end_of_a_boot_that_nobody_saw_is_not_known(recording: NodeRecording) -> None:
    """Up to where it was followed, and in the next boot, what is said is right."""
    tried = 0
    for boot, stream in recording.streams[:-1]:
        followed = [c for c in checkpoints(recording) if c["stream"] == stream]
        store, views = new_store()
        for other, number in recording.streams:
            lines = recording.stream(number)
            if number == stream:
                lines = lines[: followed[0]["resource_lines"]]
            writer = Writer(store, f"stream {number}", views, boot=str(other))
            writer.append(lines)
            writer.close("disconnected" if number == stream else "done")
        seen = [followed[0], *(c for c in checkpoints(recording) if c["boot"] != boot)]
        for checkpoint in seen:
            check_known(store.db, checkpoint)
            tried += 1
        assert differing(store.db) is None
        store.close()
    assert tried > 3

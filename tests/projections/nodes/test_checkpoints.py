# SPDX-License-Identifier: LGPL-3.0
"""The views of nodes are what Flux itself said at each checkpoint of each recording."""

from __future__ import annotations

import json
from typing import Any

import apsw
import pytest

from eventstore.ingest.writer import Writer
from eventstore.storage.sql import fetch
from projections.engine.rebuild import rebuild
from projections.engine.verify_views import differing
from projections.node_queries.present import NodeState, nodes
from projections.node_queries.status import status
from projections.nodes.reducers import rounded
from tests.support.nodes.recordings import (
    NodeRecording,
    allocated,
    drains,
    node_recordings,
    printed_drains,
    ranks,
)
from tests.support.recordings import new_store

RECORDINGS = node_recordings()
by_name = pytest.mark.parametrize("recording", RECORDINGS, ids=lambda r: r.name)


def shown(db: apsw.Connection) -> dict[str, Any]:
    """Return the present states in the terms of resource.status."""
    sql = "SELECT rank, up, torpid, excluded, drained, reason FROM node WHERE rank IS NOT NULL"
    rows = fetch(db, sql)
    return {
        "online": {rank for rank, up, *_ in rows if up == 1},
        "offline": {rank for rank, up, *_ in rows if up == 0},
        "torpid": {row[0] for row in rows if row[2]},
        "exclude": {row[3] for row in rows},
        "drain": {row[0]: (rounded(row[4]), row[5] or "") for row in rows if row[4]},
    }


def said(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """Return what Flux said; what is excluded is in no event."""
    status = json.loads(checkpoint["resource_status"])
    sets = {name: ranks(status[name]) for name in ("online", "offline", "torpid")}
    return {**sets, "drain": drains(status), "exclude": {None}}


@by_name
def test_each_checkpoint_on_the_way(recording: NodeRecording) -> None:
    store, views = new_store()
    seen = 0
    for checkpoint in recording.on_the_way(store, views):
        assert said(checkpoint) == shown(store.db), checkpoint["label"]
        seen += 1
    assert seen == len(recording.meta["checkpoints"]) > 0
    assert differing(store.db) is None


@by_name
def test_a_rebuild_gives_the_same_rows(recording: NodeRecording) -> None:
    store, views = new_store()
    list(recording.on_the_way(store, views))
    tables = ("node", "node_history", "node_time", "node_load", "node_snapshot")
    before = [fetch(store.db, f"SELECT * FROM {table}") for table in tables]
    rebuild(views, ["nodes"])
    assert before == [fetch(store.db, f"SELECT * FROM {table}") for table in tables]
    assert all(before[:2])


def answered(found: list[NodeState]) -> dict[str, Any]:
    """Return an answer in the terms of resource.status."""
    return {
        "online": {node.rank for node in found if node.up},
        "offline": {node.rank for node in found if node.up is False},
        "torpid": {node.rank for node in found if node.torpid},
        "exclude": {node.excluded for node in found},
        "drain": {
            node.rank: (rounded(node.drained.since), node.drained.reason or "")
            for node in found if node.drained is not None
        },
    }  # fmt: skip


@by_name
def test_now_and_as_of_each_checkpoint_with_the_allocated_hosts(
    recording: NodeRecording,
) -> None:
    store, views = new_store()
    checkpoints = []
    for checkpoint in recording.on_the_way(store, views):
        checkpoints.append(checkpoint)
        found = nodes(store.db)
        assert said(checkpoint) == answered(found), checkpoint["label"]
        assert allocated(checkpoint) == {node.host for node in found if node.jobs}
    for checkpoint in checkpoints:
        found = nodes(store.db, checkpoint["time"])
        assert said(checkpoint) == answered(found), checkpoint["label"]
        assert allocated(checkpoint) == {node.host for node in found if node.jobs}


@by_name
def test_drained_and_draining_are_those_that_flux_resource_drain_printed(
    recording: NodeRecording,
) -> None:
    store, views = new_store()
    for checkpoint in list(recording.on_the_way(store, views)):
        found = {
            node.rank: (
                rounded(node.drained.since),
                node.drained.reason or "",
                ("draining" if node.jobs else "drained") + ("" if node.up else "*"),
            )
            for node in nodes(store.db, checkpoint["time"])
            if node.drained is not None
        }
        assert printed_drains(checkpoint["drain"]) == found, checkpoint["label"]


@by_name
def test_resource_status_as_of_each_checkpoint(recording: NodeRecording) -> None:
    store, views = new_store()
    for checkpoint in list(recording.on_the_way(store, views)):
        expected = json.loads(checkpoint["resource_status"])
        found = json.loads(status(store.db, checkpoint["time"]) or b"{}")
        assert found["exclude"] is None
        assert {**expected, "exclude": None} == found, checkpoint["label"]


@by_name
def test_who_is_excluded_is_known_where_a_status_says_it(recording: NodeRecording) -> None:
    """The status is taken behind the sentinel, and holds for as long as the module runs."""
    store, views = new_store()
    checkpoints = recording.objects("checkpoints")
    for boot, stream in recording.streams:
        mine = [c for c in checkpoints if c["stream"] == stream]
        lines = recording.stream(stream)
        lines.insert(mine[0]["resource_lines"], mine[0]["resource_status"].encode())
        writer = Writer(store, "status", views, boot=str(boot))
        for line in lines:  # each in a batch of its own: the status comes late
            writer.append([line])
    for checkpoint in checkpoints:
        expected = json.loads(checkpoint["resource_status"])
        then = nodes(store.db, checkpoint["time"])
        assert ranks(expected["exclude"]) == {node.rank for node in then if node.excluded}
        found = json.loads(status(store.db, checkpoint["time"]) or b"{}")
        assert expected == found, checkpoint["label"]
    assert differing(store.db) is None

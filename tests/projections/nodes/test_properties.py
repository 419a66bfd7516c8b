# SPDX-License-Identifier: LGPL-3.0
"""Any sequence of resource events, legal or not, in any cut, with repeats: the same views."""

from __future__ import annotations

import json
import os
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from eventstore.events.resource_line import encode_end
from eventstore.ingest.writer import Writer
from eventstore.storage.connection import Store
from eventstore.storage.sql import fetch
from projections.engine.verify_views import differing
from projections.job.run_time import microseconds
from projections.node_queries.time_by_state import beginning, horizon, measured
from tests.support.recordings import new_store

EXAMPLES = int(os.environ.get("NODE_EXAMPLES", "60"))

idsets = st.sampled_from(["", "0", "1", "0-2", "2", "0,2", "7", "x", "0-99999999"])
hosts = st.sampled_from(["n[0-2]", "n[2,0,1]", "n0,b1,n2", "n0", "n0,n0,n1", "a[", ""])
reasons = st.sampled_from([{}, {"reason": ""}, {"reason": "disk"}, {"reason": 5}])
overwrites = st.sampled_from([{}, {"overwrite": 0}, {"overwrite": 1}, {"overwrite": 2}])


def change(name: str) -> st.SearchStrategy[tuple[str, Any]]:
    return st.builds(
        lambda ids, nodes, reason, overwrite: (
            name, {"idset": ids, "nodelist": nodes, **reason, **overwrite},
        ),
        idsets, hosts, reasons, overwrites,
    )  # fmt: skip


def of_ranks(name: str) -> st.SearchStrategy[tuple[str, Any]]:
    return st.builds(lambda ids: (name, {"idset": ids}), idsets)


events = st.one_of(
    st.builds(lambda r, o, n: ("restart", {"ranks": r, "online": o, "nodelist": n}),
              st.sampled_from(["0-2", "0", ""]), idsets, hosts),
    change("drain"), change("undrain"),
    *(of_ranks(name) for name in ("online", "offline", "torpid", "lively")),
    st.just(("truncate", None)), st.just(("resource-update", {"expiration": 5})),
    st.just(("unheard-of", {})), st.just(("online", [])),
)  # fmt: skip

STATUS = (
    b'{"R":{"version":1,"execution":{"R_lite":[{"rank":"0-2"}],"nodelist":["n[0-2]"]}},"drain":'
    b'{"1":{"timestamp":3.0,"reason":"said"}},"online":"0-1","offline":"2","exclude":"%b",'
    b'"torpid":"1"}'
)


@st.composite
def journals(draw: st.DrawFn) -> list[bytes]:
    """Lines of a stream; times mostly ascend, and may be equal."""
    time, lines = 1.0, []
    for _ in range(draw(st.integers(1, 25))):
        what = draw(st.integers(0, 11))
        time += draw(st.sampled_from([0.0, 0.25, 1.0, 1.0, 60.0, -2.0]))
        if what == 0:
            lines.append(b'{"events":[]}')
        elif what == 1:
            lines.append(STATUS % draw(st.sampled_from([b"", b"0", b"2", b"["])))
        elif what == 2 and draw(st.booleans()):
            lines.append(encode_end(draw(st.sampled_from(["clean", "lost"])), time))
        else:
            some = draw(st.lists(events, min_size=1, max_size=3))
            found = []
            for name, context in some:
                found.append({"timestamp": time, "name": name, "context": context})
                if context is None:
                    del found[-1]["context"]
                time += 0.125
            lines.append(json.dumps({"events": found}).encode())
    return lines


def rows(store: Store) -> list[Any]:
    """Return the views; what is numbered by arrival is not among them."""
    return [
        fetch(store.db, f"SELECT * FROM {table}")
        for table in ("node", "node_history", "node_time", "node_load")
    ]


@settings(max_examples=EXAMPLES, deadline=None)
@given(lines=journals(), data=st.data())
def test_cuts_and_repeats_change_nothing(lines: list[bytes], data: st.DataObject) -> None:
    whole, views = new_store()
    writer = Writer(whole, "whole", views)
    writer.append(lines)
    writer.close()
    assert differing(whole.db) is None
    expected = rows(whole)

    parts, others = new_store()
    writer = Writer(parts, "parts", others)
    at = 0
    while at < len(lines):
        size = data.draw(st.integers(1, 5))
        writer.append(lines[at : at + size])
        at += size
    writer.close()
    assert expected == rows(parts)
    assert differing(parts.db) is None
    kept = [line for line in lines if b"resource-end" not in line]
    again = Writer(parts, "again", others)
    again.append(kept)
    assert again.counts.new == 0
    assert differing(parts.db) is None


@settings(max_examples=EXAMPLES, deadline=None)
@given(lines=journals())
def test_intervals_are_apart_and_cover_all_time_and_add_up(lines: list[bytes]) -> None:
    store, views = new_store()
    writer = Writer(store, "file", views)
    writer.append(lines)
    writer.close()
    db = store.db
    of: dict[Any, list[Any]] = {}
    for host, twin, begun, to, state in fetch(db, "SELECT * FROM node_time"):
        of.setdefault((host, twin), []).append((begun, to, state))
    for mine in of.values():
        assert all(one[1] == following[0] for one, following in pairwise(mine))
        assert mine[-1][1] is None
    kinds: dict[Any, list[Any]] = {}
    sql = "SELECT host, twin, kind, t_from, t_to FROM node_history"
    for *key, begun, to in fetch(db, sql):
        kinds.setdefault(tuple(key), []).append((begun, to))
    for mine in kinds.values():
        assert all(one[1] is not None and one[1] <= b[0] for one, b in pairwise(mine))
        assert all(to is None or begun < to for begun, to in mine)
    start, end = beginning(db), horizon(db)
    if start is None or start >= end:
        return
    expected = sum(
        max(0, (end if to is None else min(microseconds(to), end)) - microseconds(begun))
        for mine in of.values() for begun, to, state in mine if state != "absent"
    )  # fmt: skip
    assert expected == sum(measured(db, [start, end])[0])

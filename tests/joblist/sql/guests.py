# SPDX-License-Identifier: LGPL-3.0
"""A history of several users, in which everything of one of them can be told by its text."""

from __future__ import annotations

import json
from typing import Any

from eventstore.ingest.writer import Writer
from eventstore.storage.connection import Store
from eventstore.storage.sql import fetch
from tests.support.recordings import new_store

OWN, OTHER = 1001, 1002
SECRET = "s3cret"
"""Occurs in every text of the other user's jobs."""
_START = 1_790_000_000.0


def history(own: int, other: int) -> Store:
    """Return a store with finished jobs of both users, in turns, and a running one of each."""
    store, views = new_store()
    lines: list[bytes] = []
    for number in range(own + other):
        mine = number % 2 == 0 if number < 2 * min(own, other) else own > other
        lines += _job(number, OWN if mine else OTHER, finished=number > 1)
    Writer(store, "made", views).append(lines)
    return store


def _job(number: int, userid: int, *, finished: bool) -> list[bytes]:
    word = "mine" if userid == OWN else SECRET
    jobid = (number + 1) << 24
    time = _START + number
    jobspec = {
        "version": 1,
        "resources": [
            {"type": "node", "count": 1, "with": [
                {"type": "slot", "count": 1, "label": "t",
                 "with": [{"type": "core", "count": 1}]}]}
        ],
        "tasks": [{"command": [word], "slot": "t", "count": {"per_slot": 1}}],
        "attributes": {"system": {
            "duration": 60 + number % 7, "cwd": f"/{word}", "queue": f"q{number % 3}-{word}",
            "job": {"name": f"{word}-{number % 5}"}, "bank": word, "project": word}},
    }  # fmt: skip
    r = {
        "version": 1,
        "execution": {
            "R_lite": [{"rank": str(number % 4), "children": {"core": "0"}}],
            "nodelist": [f"{word}{number % 4}"], "starttime": time, "expiration": time + 60},
    }  # fmt: skip
    events: list[tuple[str, dict[str, Any] | None]] = [
        ("submit", {"userid": userid, "urgency": 16, "flags": 0, "version": 1}),
        ("validate", None), ("depend", None), ("priority", {"priority": 16}),
        ("alloc", {"annotations": {"user": {"uri": f"ssh://{word}"}}}),
    ]  # fmt: skip
    if finished:
        events += [("start", None), ("finish", {"status": 256 * (number % 3 == 0)}),
                   ("release", {"ranks": "all", "final": True}), ("free", None),
                   ("clean", None)]  # fmt: skip
    lines = []
    for step, (name, context) in enumerate(events):
        event: dict[str, Any] = {"timestamp": time + step / 1000, "name": name}
        if context is not None:
            event["context"] = context
        response: dict[str, Any] = {"id": jobid, "events": [event]}
        if name == "submit":
            response["jobspec"] = jobspec
        if name == "alloc":
            response["R"] = r
        lines.append(json.dumps(response, separators=(",", ":")).encode())
    return lines


def names_in(store: Store) -> list[str]:
    """Return the names of everything that the database has."""
    return [name for (name,) in fetch(store.db, "SELECT name FROM sqlite_schema")]


def others_numbers(store: Store) -> set[object]:
    """Return ids and times that the other user's jobs have, and no job of the guest's own."""
    found: dict[int, set[object]] = {}
    for user in (OWN, OTHER):
        sql = "SELECT id, t_submit, t_run, t_inactive, t_cleanup FROM jobs WHERE userid = ?"
        found[user] = {value for row in fetch(store.db, sql, (user,)) for value in row}
    return found[OTHER] - found[OWN]

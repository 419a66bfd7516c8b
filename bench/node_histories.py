# SPDX-License-Identifier: LGPL-3.0
"""A year of an instance with 10,000 nodes: its jobs, and what became of its nodes."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench.histories import chunks, remove
from bench.timing import clocked
from eventstore.ingest.writer import Writer
from eventstore.storage.connection import create_or_open
from projections.engine.views import Views
from projections.node_queries.settle import settle
from tests.support.journal_generator import EPOCH, journal

__all__ = ["NODES", "YEAR", "NodeHistory", "node_history", "resource_journal"]

NODES = 10_000
YEAR = 365 * 86400.0
"""Seconds from the first event to the last one, for jobs and nodes alike."""
_CHANGES = (("drain", "undrain"), ("offline", "online"), ("torpid", "lively"))


class NodeHistory(NamedTuple):
    """A database of so many jobs and of so many node events.

    ``jobs_us`` and ``nodes_us``: microseconds of processor time that storing an event took.
    ``hours_s``: seconds that summing up all hours took, which `flux-jobdb ingest` does at its
    end, and the broker module as hours pass.
    """

    path: str
    jobs: int
    jobs_us: float
    nodes_us: float
    hours_s: float


def resource_journal(events: int, nodes: int = NODES, seed: int = 1) -> Iterator[bytes]:
    """Yield the lines of a resource journal: a start, then changes of nodes by chance."""
    random_ = random.Random(seed)
    hosts, ranks = f"node[0-{nodes - 1}]", f"0-{nodes - 1}"
    start = EPOCH - 1
    for name, context in (
        ("restart", f'{{"ranks":"{ranks}","online":"","nodelist":"{hosts}"}}'),
        ("online", f'{{"idset":"{ranks}"}}'),
    ):
        yield _line(start, name, context)
        start += 0.5
    yield b'{"events":[]}'
    changed: set[tuple[int, int]] = set()
    for number in range(events):
        node, kind = random_.randrange(nodes), random_.randrange(len(_CHANGES))
        first, then = _CHANGES[kind]
        is_changed = (node, kind) in changed
        changed ^= {(node, kind)}
        context = f'{{"idset":"{node}"'
        if kind == 0:
            context += f',"nodelist":"node{node}"'
            context += "" if is_changed else f',"reason":"reason {number % 50}","overwrite":0'
        time = EPOCH + YEAR * number / events
        yield _line(time, then if is_changed else first, context + "}")


def _line(time: float, name: str, context: str) -> bytes:
    return (
        f'{{"events":[{{"timestamp":{time!r},"name":"{name}","context":{context}}}]}}'.encode()
    )


def node_history(folder: Path, jobs: int) -> NodeHistory:
    """Return the year with so many jobs, and as many node events; made if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    path, note = folder / f"nodes-{jobs}.sqlite", folder / f"nodes-{jobs}.json"
    if note.exists():
        return NodeHistory(**json.loads(note.read_text("utf-8")))
    remove(str(path))
    with create_or_open(str(path)) as store:
        views = Views(store)

        def ingest(name: str, lines: Iterator[bytes]) -> float:
            writer = Writer(store, name, views, boot="1")

            def append() -> None:
                for batch in chunks(lines):
                    writer.append(batch)
                writer.close()

            taken = clocked(append)
            return 1e6 * taken.processor / writer.counts.new

        of_jobs = ingest("jobs", journal(jobs, rate=jobs / YEAR))
        of_nodes = ingest("nodes", resource_journal(jobs))
        with store.transaction() as db:
            hours = clocked(lambda: settle(db)).processor
        made = NodeHistory(str(path), jobs, of_jobs, of_nodes, hours)
    note.write_text(json.dumps(made._asdict()), "utf-8")
    return made

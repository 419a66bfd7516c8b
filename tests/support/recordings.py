# SPDX-License-Identifier: LGPL-3.0
"""The recordings that the tests play: those shipped in tests/data, and any beside the project.

Nothing here knows a recording by name: one that is added is played like the others.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from eventstore.events.records import Record
from eventstore.ingest.writer import Writer
from eventstore.reading.event_log import records
from eventstore.storage.connection import Store, create_or_open
from joblist.config import Config, from_tables
from joblist.protocol.errors import RpcError
from joblist.protocol.requests import Credential
from joblist.service import Request, Service
from projections.engine.views import Views

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

_ROOT = Path(__file__).resolve().parents[2]


class Recording:
    """One recording: its files, decoded as far as tests need them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = folder.name
        self.meta: dict[str, Any] = json.loads((folder / "meta.json").read_text("utf-8"))

    def lines(self, name: str) -> list[bytes]:
        """Return the lines of a file, none where there is no such file."""
        path = self.folder / f"{name}.jsonl.gz"
        if not path.exists():
            return []
        return gzip.decompress(path.read_bytes()).split(b"\n")[:-1]

    def objects(self, name: str) -> list[dict[str, Any]]:
        """Return the lines of a file, decoded."""
        return [json.loads(line) for line in self.lines(name)]

    @cached_property
    def boots(self) -> list[int]:
        """The boots whose journals were recorded."""
        return [boot for boot in range(1, 100) if self.journal(boot)]

    def journal(self, boot: int) -> list[bytes]:
        """Return the journal of a boot."""
        return self.lines("journal" if boot == 1 else f"journal-{boot}")

    def feed(self, boot: int) -> list[tuple[int, list[bytes]]]:
        """Return a boot's journal with the purges in it, as (journal lines read, lines)."""
        purges = [p for p in self.objects("purge-events") if p["boot"] == boot]
        parts: list[tuple[int, list[bytes]]] = []
        for index, line in enumerate(self.journal(boot)):
            while purges and purges[0]["journal_lines"] <= index:
                parts.append((index, [purges.pop(0)["event"].encode()]))
            parts.append((index + 1, [line]))
        last = len(self.journal(boot))
        parts += [(last, [purge["event"].encode()]) for purge in purges]
        return parts

    def config(self, boot: int, **tables: Any) -> Config:
        """Return the configuration of a boot, with purges followed as job-list does."""
        text = self.meta["configs"].get(str(boot), self.meta["config"])
        merged = {**tomllib.loads(text)}
        for name, table in ({"job-list": {"purge": "follow"}} | tables).items():
            merged[name] = {**merged.get(name, {}), **table}
        if "job-list" in tables:
            merged["job-list"]["purge"] = "follow"
        return from_tables(merged)


def recordings() -> list[Recording]:
    """Return all recordings that are there, those of the project first."""
    found: dict[str, Recording] = {}
    for folder in (_ROOT / "tests" / "data", _ROOT.parent / "shared" / "recordings"):
        for meta in sorted(folder.glob("*/meta.json")):
            found.setdefault(meta.parent.name, Recording(meta.parent))
    return list(found.values())


def new_store() -> tuple[Store, Views]:
    """Return a store in memory with its views."""
    store = create_or_open(":memory:")
    return store, Views(store)


def play(store: Store, views: Views, recording: Recording, boots: list[int]) -> None:
    """Ingest whole journals, with their purges."""
    for boot in boots:
        writer = Writer(store, recording.name, views, boot=str(boot))
        writer.append(line for _, lines in recording.feed(boot) for line in lines)


def checkpoints_on_the_way(
    recording: Recording, store: Store, views: Views
) -> Iterator[dict[str, Any]]:
    """Ingest the journals, stopping at each checkpoint of the recording."""
    waiting = recording.objects("checkpoints")
    for boot in recording.boots:
        writer = Writer(store, recording.name, views, boot=str(boot))
        pending: list[bytes] = []
        mine = [checkpoint for checkpoint in waiting if checkpoint["boot"] == boot]
        purges = lines = 0
        for count, part in [*recording.feed(boot), (None, [])]:
            while mine and (count is None or (count, purges) > _place(mine[0], lines, purges)):
                writer.append(pending)
                pending = []
                yield mine.pop(0)
            pending += part
            if count is not None:
                purges += int(count == lines)
                lines = count
        writer.append(pending)


def _place(checkpoint: dict[str, Any], lines: int, purges: int) -> tuple[int, int]:
    """Return where a checkpoint stands, to compare with what is read next."""
    reached = lines >= checkpoint["journal_lines"] and purges >= checkpoint["purge_lines"]
    return (-1, -1) if reached else (2**62, 0)


def ask(service: Service, topic: str, text: str | None = "{}") -> list[str]:
    """Ask as the instance's owner."""
    payload = None if text is None else text.encode()
    request = Request(f"job-list.{topic}", payload, Credential(), streaming=False)
    return [response.decode() for response in service.answer(request)]


def everything(service: Service) -> str:
    """Return the whole list, as text."""
    return ask(service, "list", '{"max_entries":0,"attrs":["all"]}')[0]


def stats(service: Service) -> dict[str, Any]:
    """Return job stats; the order of queues is not significant."""
    return unordered(ask(service, "job-stats")[0])


def unordered(text: str) -> dict[str, Any]:
    """Decode job stats, with the queues sorted."""
    decoded: dict[str, Any] = json.loads(text)
    decoded["queues"].sort(key=lambda queue: queue["name"])
    return decoded


def request_of(query: dict[str, Any]) -> Request:
    """Return a recorded query's request."""
    if "request_raw" in query:
        text = query["request_raw"]
    else:
        text = json.dumps(query["request"], separators=(",", ":"), ensure_ascii=False)
    return Request(
        query["topic"],
        None if text is None else text.encode(),
        Credential(query["userid"], query["rolemask"]),
        query["streaming"],
    )


def put(service: Service, query: dict[str, Any]) -> dict[str, Any]:
    """Send a recorded query; returns the parts of the answer that recordings have."""
    request = request_of(query)
    try:
        return {"responses": [response.decode() for response in service.answer(request)]}
    except RpcError as error:
        return {"responses": [], "error": {"errno": error.errno, "errstr": error.text}}


def events_of(store: Store) -> list[Record]:
    """Return all stored events, in the order of seq."""
    with store.snapshot() as db:
        return [record for record in records(db) if isinstance(record, Record)]

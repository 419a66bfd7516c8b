# SPDX-License-Identifier: LGPL-3.0
"""Recordings with the resource journal: those shipped in tests/data/nodes, and any beside.

Nothing here knows a recording by name: one that is added is played like the others.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from eventstore.ingest.writer import Writer
from eventstore.storage.connection import Store
from projections.engine.views import Views
from projections.formats import hostlist, idset
from projections.nodes.inputs import ids
from tests.support.recordings import Recording

_ROOT = Path(__file__).resolve().parents[3]


class NodeRecording(Recording):
    """A recording with the journal of the resource module, a stream for each of its loads."""

    def stream(self, number: int) -> list[bytes]:
        """Return the resource journal of a load."""
        suffix = "" if number == 1 else f"-{number}"
        return self.lines(f"resource-journal{suffix}")

    @property
    def streams(self) -> list[tuple[int, int]]:
        """Return (boot, stream) of all streams, in their order."""
        return [(boot["boot"], stream) for boot in self.meta["boots"]
                for stream in boot["streams"]]  # fmt: skip

    def others(self) -> list[list[bytes]]:
        """Return what other consumers got."""
        names = sorted(path.name for path in self.folder.glob("resource-*.jsonl.gz"))
        return [
            self.lines(name.removesuffix(".jsonl.gz")) for name in names
            if "journal" not in name and "kvs" not in name
        ]  # fmt: skip

    def on_the_way(self, store: Store, views: Views) -> Iterator[dict[str, Any]]:
        """Ingest both journals, stopping at each checkpoint of the recording."""
        waiting = self.objects("checkpoints")
        job_boot, job_lines, jobs = 0, 0, None
        for boot, stream in self.streams:
            resources = Writer(store, f"{self.name} resource", views, boot=str(boot))
            lines, done = self.stream(stream), 0
            if boot != job_boot:
                if jobs is not None:
                    jobs.append(self.journal(job_boot)[job_lines:])
                jobs = Writer(store, self.name, views, boot=str(boot))
                job_boot, job_lines = boot, 0
            assert jobs is not None
            for checkpoint in [c for c in waiting if c["stream"] == stream]:
                resources.append(lines[done : checkpoint["resource_lines"]])
                jobs.append(self.journal(boot)[job_lines : checkpoint["journal_lines"]])
                done, job_lines = checkpoint["resource_lines"], checkpoint["journal_lines"]
                yield checkpoint
            resources.append(lines[done:])
            resources.close()
        if jobs is not None:
            jobs.append(self.journal(job_boot)[job_lines:])


def node_recordings() -> list[NodeRecording]:
    """Return all recordings with a resource journal, those of the project first."""
    found: dict[str, NodeRecording] = {}
    places = (_ROOT / "tests" / "data" / "nodes", _ROOT.parent / "shared/resource-recordings")
    for folder in places:
        for meta in sorted(folder.glob("*/meta.json")):
            found.setdefault(meta.parent.name, NodeRecording(meta.parent))
    return list(found.values())


def ranks(text: str) -> set[int]:
    """Return the ids of an idset."""
    return set(ids(idset.decode(text)))


def drains(status: dict[str, Any]) -> dict[int, tuple[float, str]]:
    """Return (time, reason) of each drained rank of a payload of resource.status."""
    return {
        rank: (group["timestamp"], group["reason"])
        for text, group in status["drain"].items()
        for rank in ranks(text)
    }


def printed_drains(text: str) -> dict[int, tuple[float, str, str]]:
    """Return (time, reason, state) of each drained rank, as `flux resource drain` has it."""
    found: dict[int, tuple[float, str, str]] = {}
    for line in text.splitlines():
        time, state, _, idset_, _, reason = line.split("|", 5)
        found.update(dict.fromkeys(ranks(idset_), (float(time), reason, state)))
    return found


def allocated(checkpoint: dict[str, Any]) -> set[str]:
    """Return the hosts that Flux called allocated."""
    execution = json.loads(checkpoint["sched_status"])["allocated"]["execution"]
    names = (hostlist.hosts(hostlist.decode(text)) for text in execution["nodelist"])
    return {host for hosts in names for host in hosts}

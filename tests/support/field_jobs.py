# SPDX-License-Identifier: LGPL-3.0
"""Journals of a few jobs that have one odd thing about them."""

from __future__ import annotations

import json
import lzma
from collections.abc import Mapping
from pathlib import Path
from typing import Any

EPOCH = 1790000000.5
"""When jobs are submitted: 21 September 2026, 14:13:20.5 UTC."""
SENTINEL = b'{"id":-1,"events":[]}'
STEPS = (
    "submit", "validate", "depend", "priority", "alloc", "start", "finish", "release", "free",
    "clean",
)  # fmt: skip
_DATA = Path(__file__).resolve().parents[1] / "data" / "field"
_CONTEXTS: dict[str, object] = {
    "submit": {"userid": 1001, "urgency": 16, "flags": 0, "version": 1},
    "priority": {"priority": 16},
    "finish": {"status": 0},
    "release": {"ranks": "all", "final": True},
}


def recorded(name: str) -> list[bytes]:
    """Return the lines of a journal in tests/data/field."""
    return lzma.decompress((_DATA / f"{name}.jsonl.xz").read_bytes()).splitlines()


def event(time: float, name: str, context: object = None) -> dict[str, object]:
    """Return an event of RFC 18."""
    found: dict[str, object] = {"timestamp": time, "name": name}
    return found if context is None else found | {"context": context}


def response(jobid: int, *events: object, **members: object) -> bytes:
    """Return a response of the journal as the job manager writes it."""
    whole = {"id": jobid, "events": events} | members
    return json.dumps(whole, separators=(",", ":"), ensure_ascii=False).encode(
        errors="surrogatepass"
    )


def job(
    number: int = 1,
    *,
    jobid: int | None = None,
    start: float = EPOCH,
    last: str = "clean",
    times: Mapping[str, float] | None = None,
    contexts: Mapping[str, object] | None = None,
    system: Mapping[str, object] | None = None,
    nodelist: object = ("node1",),
    ranks: str = "0",
    expiration: float | None = None,
    also: Mapping[str, list[dict[str, object]]] | None = None,
    **named: Any,
) -> list[bytes]:
    """Return the live responses of a job, a second apart, up to its event ``last``.

    ``times`` and ``contexts`` replace those of the steps they name, ``also`` has events that
    stand behind a step, ``system`` is more of the jobspec's attributes.system, and ``named``
    more of its member job (``name``).
    """
    jobid = number << 24 if jobid is None else jobid
    jobspec = {
        "resources": [
            {
                "type": "slot",
                "count": 1,
                "label": "task",
                "with": [{"type": "core", "count": 1}],
            }
        ],
        "tasks": [{"command": ["app"], "slot": "task", "count": {"per_slot": 1}}],
        "attributes": {
            "system": {"duration": 3600.0, "cwd": "/tmp", "job": {"name": "app"} | named}
            | dict(system or {})
        },
        "version": 1,
    }
    started = start + STEPS.index("alloc")
    r = {
        "version": 1,
        "execution": {
            "R_lite": [{"rank": ranks, "children": {"core": "0"}}],
            "nodelist": nodelist,
            "starttime": started,
            "expiration": started + 3600 if expiration is None else expiration,
        },
    }
    lines = []
    for index, name in enumerate(STEPS[: STEPS.index(last) + 1]):
        time = (times or {}).get(name, start + index)
        context = (contexts or {}).get(name, _CONTEXTS.get(name))
        more = {"submit": {"jobspec": jobspec}, "alloc": {"R": r}}.get(name, {})
        lines.append(response(jobid, event(time, name, context), **more))
        lines += [response(jobid, one) for one in (also or {}).get(name, [])]
    return lines


def backlog(lines: list[bytes]) -> bytes:
    """Return a job's live responses as the one of a backlog."""
    parts = [json.loads(line) for line in lines]
    members = {name: part[name] for part in parts for name in ("jobspec", "R") if name in part}
    return response(
        parts[0]["id"], *(one for part in parts for one in part["events"]), **members
    )

# SPDX-License-Identifier: LGPL-3.0
"""``flux-jobdb stats``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from cli.database import database_path
from cli.options import db_option
from cli.output.streams import say
from projections.notation.timespec import format_moment

__all__ = ["command"]

_TIMES = ("first_event", "last_event")


@click.command(epilog="Example: flux-jobdb stats --json | jq .events")
@db_option
@click.option("--json", "as_json", is_flag=True, help="A JSON object.")
def command(as_json: bool) -> None:
    """Show counts, sizes in bytes, and the times of the first and last event.

    Times are in UTC; with --json, in seconds since the epoch. Gaps are counted by kind;
    `flux-jobdb gaps` lists them.
    """
    from eventstore.reading.cluster import cluster  # noqa: PLC0415
    from eventstore.reading.gaps import counts  # noqa: PLC0415
    from eventstore.storage.connection import open_readonly  # noqa: PLC0415
    from projections.queries.store_counts import store_counts  # noqa: PLC0415

    path = database_path()
    with open_readonly(path) as store, store.snapshot() as db:
        found: dict[str, Any] = {} if (name := cluster(db)) is None else {"cluster": name}
        found |= store_counts(db)
        found |= {f"gaps_{kind}": count for kind, count in counts(db, path).items()}
    for name, suffix in (("bytes", ""), ("wal_bytes", "-wal")):
        file = Path(path + suffix)
        found[name] = file.stat().st_size if file.exists() else 0
    if as_json:
        say(json.dumps(found))
        return
    for name, number in found.items():
        say(f"{name:<20} {_text(name, number)}")


def _text(name: str, number: float | str | None) -> str:
    if number is None:
        return "-"
    return format_moment(float(number)) if name in _TIMES else str(number)

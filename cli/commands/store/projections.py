# SPDX-License-Identifier: LGPL-3.0
"""``flux-jobdb projections``."""

from __future__ import annotations

import json

import click

from cli.database import database_path
from cli.options import db_option
from cli.output.streams import say

__all__ = ["command"]


@click.command(epilog="Example: flux-jobdb projections --json")
@db_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--drop", metavar="NAME", help="Drop the view of an uninstalled projection.")
def command(as_json: bool, drop: str | None) -> None:
    """Show each projection: name, version, checkpoint (a seq), state, and reason.

    The state is "current", "behind" (events are not yet applied), "stale" (built by another
    version), "missing", "failed" (left behind for the reason given, until it has another
    version or `rebuild NAME` tries again), or "unknown" (no installed one has this name).
    """
    from eventstore.storage.connection import open_readonly  # noqa: PLC0415
    from projections.engine.views import overview  # noqa: PLC0415

    if drop is not None:
        _drop(drop)
        return

    with open_readonly(database_path()) as store, store.snapshot() as db:
        rows = [status._asdict() for status in overview(db)]
    if as_json:
        for row in rows:
            say(json.dumps(row))
        return
    say(f"{'NAME':<16} {'VERSION':>8} {'CHECKPOINT':>12} STATE")
    for row in rows:
        line = "{name:<16} {version:>8} {checkpoint:>12} {state:<7} {reason}".format(**row)
        say(line.rstrip())


def _drop(name: str) -> None:
    from eventstore.storage.connection import create_or_open, open_readonly  # noqa: PLC0415
    from projections.engine.views import Views, drop_view  # noqa: PLC0415

    open_readonly(database_path()).close()  # fails where there is no database
    with create_or_open(database_path()) as store:
        Views(store)
        with store.transaction() as db:
            drop_view(db, name)
    say(f"dropped: {name}")

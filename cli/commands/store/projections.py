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
def command(as_json: bool) -> None:
    """Show each projection: name, version, checkpoint (a seq) and state.

    The state is "current", "behind" (events are not yet applied), "stale" (built by another
    version), "missing", or "unknown" (no installed projection has this name).
    """
    from eventstore.storage.connection import open_readonly  # noqa: PLC0415
    from projections.engine.views import overview  # noqa: PLC0415

    with open_readonly(database_path()) as store, store.snapshot() as db:
        rows = [status._asdict() for status in overview(db)]
    if as_json:
        for row in rows:
            say(json.dumps(row))
        return
    say(f"{'NAME':<16} {'VERSION':>8} {'CHECKPOINT':>12} STATE")
    for row in rows:
        say("{name:<16} {version:>8} {checkpoint:>12} {state}".format(**row))

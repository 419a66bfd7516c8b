# SPDX-License-Identifier: LGPL-3.0
"""``flux-jobdb consumers``."""

from __future__ import annotations

import json

import click

from cli.database import database_path
from cli.options import db_option
from cli.output.streams import say

__all__ = ["command"]


@click.command(epilog="Example: flux-jobdb consumers --json")
@db_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def command(as_json: bool) -> None:
    """Show how far the consumers of the accounting feed have come.

    Those are the names given with `accounting --json --name`, the databases given with
    `accounting --to`, and what uses the Python interface: up to which seq each has read, and
    how many events and notices were stored since.
    """
    from eventstore.storage.connection import open_readonly  # noqa: PLC0415
    from projections.engine.consumer_cursor import cursors  # noqa: PLC0415

    path = database_path()
    with open_readonly(path) as store, store.snapshot() as db:
        found = cursors(path, db)
    if as_json:
        for cursor in found:
            say(json.dumps(cursor._asdict()))
        return
    say(f"{'SEQ':>12} {'BEHIND':>12} NAME")
    for cursor in found:
        say(f"{cursor.seq:>12} {cursor.behind:>12} {cursor.name}")

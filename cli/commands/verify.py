# SPDX-License-Identifier: LGPL-3.0
"""``flux-jobdb verify``."""

from __future__ import annotations

import json

import click

from cli.common import database_path, db_option, progress


@click.command(epilog="Example: flux-jobdb verify --json | jq -r .head")
@db_option
@click.option("--json", "as_json", is_flag=True, help="The result as a JSON object.")
def command(as_json: bool) -> int:
    """Prove that nothing stored was changed since.

    Recomputes the digest chain, SQLite's own integrity check and the views' checkpoints, and
    prints the head digest: a site that logs it elsewhere will notice any later change. Exit
    status 1 at the first fault, which is named.
    """
    from eventstore.store import open_readonly  # noqa: PLC0415
    from eventstore.verify import verify_chain  # noqa: PLC0415
    from projections.views import first_fault  # noqa: PLC0415

    path = database_path()
    with open_readonly(path) as store:
        with progress("verifying") as advance:
            found = verify_chain(store, advance)
        fault = found.fault
        if fault is None:
            with store.snapshot() as db:
                fault = first_fault(db)
    if as_json:
        result = {
            "ok": fault is None,
            "batches": found.batches,
            "events": found.events,
            "head": found.head.hex(),
            "fault": fault,
        }
        click.echo(json.dumps(result))
    elif fault is None:
        click.echo(f"{path}: {found.events} events in {found.batches} batches are as they came")
        click.echo(f"head {found.head.hex()}")
    if fault is not None:
        click.echo(f"flux-jobdb: {path}: {fault}; restore it from a backup", err=True)
    return 0 if fault is None else 1

# SPDX-License-Identifier: LGPL-3.0
"""``flux-jobdb verify``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from cli.database import database_path
from cli.options import db_option
from cli.output.streams import say
from cli.progress import progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventstore.maintenance.verify import Verified
    from eventstore.storage.connection import Store

__all__ = ["command"]

FEW = 200_000
"""Events of which starting processes takes longer than verifying them."""
_REMEDY = "restore a backup, or `flux-jobdb recover` what can be saved"
_LIGHT_REMEDY = "`flux-jobdb rebuild` mends views, `flux-jobdb recover` the rest"


@click.command(epilog="Example: flux-jobdb verify --json | jq -r .head")
@db_option
@click.option("--json", "as_json", is_flag=True, help="The result as a JSON object.")
@click.option("--quick", is_flag=True, help="Do not check the views' rows.")
@click.option("--head", metavar="DIGEST", help="A head digest that was logged before.")
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    help="So many processes share the work; by default one a core, up to 4.",
)
def command(as_json: bool, quick: bool, head: str | None, jobs: int | None) -> int:
    """Prove that nothing stored was changed, and that the views equal a rebuild.

    Recomputes the digest chain, runs SQLite's integrity check, compares the views' checkpoints
    and rows with the events, and prints the head digest. Log that elsewhere, and give it as
    --head later: without it, a loss of the newest events cannot be detected. Exit status 1 at
    the first fault, which is named with its remedy.
    """
    from eventstore.bulk_work import default_processes  # noqa: PLC0415
    from eventstore.maintenance.verify import NO_EVENT  # noqa: PLC0415
    from eventstore.storage.connection import open_readonly  # noqa: PLC0415

    try:
        logged = None if head is None else bytes.fromhex(head)
    except ValueError as error:
        raise click.UsageError(f"--head {head}: not a digest: {error}") from error
    path = database_path()
    processes = default_processes() if jobs is None else jobs
    with open_readonly(path) as store:
        found, fault = _faults(store, logged, quick=quick, processes=processes)
    if found.fault is not None:
        remedy = _LIGHT_REMEDY if found.fault.endswith(NO_EVENT) else _REMEDY
        fault = f"{found.fault}; {remedy}"
    if as_json:
        result = {
            "ok": fault is None,
            "batches": found.batches,
            "events": found.events,
            "head": found.head.hex(),
            "fault": fault,
        }
        say(json.dumps(result))
    elif fault is None:
        batches = "1 batch" if found.batches == 1 else f"{found.batches} batches"
        unchanged = "unchanged since they were stored"
        say(f"{path}: {found.events} events in {batches}: {unchanged}")
        say(f"head {found.head.hex()}")
    if fault is not None:
        say(f"flux-jobdb: {path}: {fault}", err=True)
    return 0 if fault is None else 1


def _faults(
    store: Store, logged: bytes | None, *, quick: bool, processes: int
) -> tuple[Verified, str | None]:
    """Return what the chain's verification found, and the fault of the views.

    The views are of no interest where the chain has a fault: whatever they are then.
    """
    from eventstore.maintenance.verify import verify_chain  # noqa: PLC0415
    from eventstore.maintenance.verify_process import ChainProcess  # noqa: PLC0415
    from eventstore.reading.event_log import head  # noqa: PLC0415

    with store.snapshot() as db:
        few = head(db) <= FEW
    if few or quick or processes < 2:
        with progress("verifying") as advance:
            found = verify_chain(store, advance, logged=logged)
        return found, None if found.fault else _views_fault(store, quick=quick)
    with ChainProcess(store.path, logged) as chain:
        fault: str | None = None
        failed: Exception | None = None
        try:
            fault = _views_fault(store, processes=processes, heed=chain.heed)
        except Exception as error:  # noqa: BLE001 - raised below
            failed = error
        with progress("verifying") as advance:
            found = chain.result(advance)
        if failed is not None and found.fault is None:
            raise failed
        return found, fault


def _views_fault(
    store: Store,
    *,
    quick: bool = False,
    processes: int = 1,
    heed: Callable[[], None] = lambda: None,
) -> str | None:
    from eventstore.errors import translated  # noqa: PLC0415
    from projections.engine.verify_views import differing  # noqa: PLC0415
    from projections.engine.views import first_fault  # noqa: PLC0415
    from projections.node_queries import settle  # noqa: PLC0415

    with translated(store.path):
        # The recomputed views, which the stored ones are compared with, may be large.
        store.db.execute("PRAGMA temp_store = FILE")
    with store.snapshot() as db:
        fault = first_fault(db)
        if fault is not None or quick:
            return fault
        with progress("verifying views") as advance:

            def heeding(done: int, total: int) -> None:
                advance(done, total)
                heed()

            fault = differing(db, heeding, path=store.path, processes=processes)
        return fault or settle.differing(db)

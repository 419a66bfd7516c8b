# SPDX-License-Identifier: LGPL-3.0
"""``flux-jobdb accounting``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from cli.database import being_rebuilt, database_path, reading, tell_once
from cli.main import REJECTED
from cli.options import JobId, Time, db_option
from cli.output.streams import say
from projections.notation.timespec import format_moment

if TYPE_CHECKING:
    from cli.accounting.explain import Figure
    from cli.accounting.flux_accounting_db import Target
    from projections.engine.consumer_cursor import Consumer
    from projections.job.clock import Step

__all__ = ["command"]

_PAUSE = 1.0
"""Seconds between two runs with --follow."""
_TIMES = ("submitted", "started", "ended")
_LONGEST = 86400  # seconds
_CHOICE = "give one of --to DB, --json, and --explain JOBID (with or without --to DB)"


@click.command(
    epilog="Example: flux-jobdb accounting --to /var/lib/flux/FluxAccounting.db --follow"
)
@db_option
@click.option("--to", metavar="DB", help="Add jobs to this flux-accounting database.")
@click.option("--json", "as_json", is_flag=True, help="Print jobs, a JSON object a line.")
@click.option("--explain", type=JobId(), help="Explain what a job is charged.")
@click.option("--since", type=Time(), default=0.0, help="Only jobs that ended since TIME.")
@click.option("--dry-run", is_flag=True, help="Change nothing; do not move the cursor.")
@click.option("--follow", is_flag=True, help="Repeat as jobs finish, until interrupted.")
@click.option("--name", metavar="NAME", help="With --json: only jobs not yet printed for NAME.")
@click.option("--wait", type=float, default=30.0, metavar="SECONDS", show_default=True,
              help="How long to wait for DB's lock.")  # fmt: skip
@click.option("--schema", type=int, metavar="N", help="Accept version N of DB's schema.")
def command(
    to: str | None,
    as_json: bool,
    explain: int | None,
    since: float,
    dry_run: bool,
    follow: bool,
    name: str | None,
    wait: float,
    schema: int | None,
) -> int:
    """Feed the jobs that ran and finished to flux-accounting.

    --to DB adds those that its jobs table lacks, in one transaction, and prints how many were
    added. It may run at any time, also beside flux-accounting's own script: it is idempotent.
    --json prints them; with --name, only those that were not printed under this name before.
    --explain says what a job is charged by DB's weights, and why, or why it is not in the
    feed.
    """
    if as_json == (to is not None) and explain is None:
        raise click.UsageError(_CHOICE)
    if explain is not None and (as_json or follow):
        raise click.UsageError(_CHOICE)
    if not 0 <= wait <= _LONGEST:
        raise click.UsageError(f"--wait: expected 0 to {_LONGEST} seconds")
    if name is not None and not as_json:
        raise click.UsageError("--name goes with --json")
    if follow and dry_run:
        raise click.UsageError("--follow and --dry-run do not go together")
    from cli.accounting.flux_accounting_db import Target  # noqa: PLC0415

    if explain is not None:
        if to is None:
            return _explain(explain, None)
        with Target(to, wait=wait, schema=schema) as target:
            return _explain(explain, target)
    if to is not None:
        path = to

        def once() -> int:
            with Target(path, wait=wait, schema=schema) as target:
                return _feed(target, since, dry=dry_run, quiet=follow)

        return _following(once) if follow else once()
    from projections.engine.consumer_cursor import Consumer  # noqa: PLC0415

    consumer = Consumer(database_path(), name)
    if dry_run:
        return _print(consumer, since, dry=True)

    def print_once() -> int:
        # Held for one run each: with --follow, others of this name may run in between.
        with consumer.held():
            return _print(consumer, since)

    return _following(print_once) if follow else print_once()


def _following(once: Callable[[], int]) -> int:
    """Repeat ``once`` until interrupted; waits for locks, and for views that are rebuilt."""
    from eventstore.errors import BeingRebuilt, Locked  # noqa: PLC0415

    status = 0
    try:
        while True:
            try:
                status = max(status, once())
            except Locked as error:
                tell_once(str(error))
            except BeingRebuilt:
                tell_once(being_rebuilt(database_path()))
            time.sleep(_PAUSE)
    except KeyboardInterrupt:
        return status


def _feed(target: Target, since: float, *, dry: bool, quiet: bool) -> int:
    from cli.accounting.feed import consumer_of, feed  # noqa: PLC0415
    from projections.notation.jobid import encode  # noqa: PLC0415

    with reading() as store:
        consumer = consumer_of(store, target)
        outcome = feed(store, target, consumer, since, dry=dry, on_steps=_name_steps)
    if not quiet or outcome.added:
        what = "would be added" if dry else "added"
        there = f", {outcome.there} were there" if outcome.there else ""
        say(f"{outcome.added} jobs {what} to {target.path}{there}")
    for jobid, reason in outcome.refused:
        say(f"flux-jobdb: {encode(jobid)} was not added: {reason}", err=True)
    return REJECTED if outcome.refused else 0


def _print(consumer: Consumer, since: float, *, dry: bool = False) -> int:
    from cli.accounting.feed import ACCOUNTING  # noqa: PLC0415
    from projections.notation.jobid import with_jobid  # noqa: PLC0415
    from projections.queries.accounting_feed import finished_jobs, json_line  # noqa: PLC0415
    from projections.queries.clock_steps import clock_steps  # noqa: PLC0415

    with reading() as store, store.snapshot() as db:
        window = consumer.unread(db, ACCOUNTING)
        for seq, record in finished_jobs(db, window.after, window.upto, since):
            line = with_jobid(json_line(seq, record), record.id)
            sys.stdout.buffer.write(line + b"\n")
        for jobid, steps in clock_steps(db, window.after, window.upto, since):
            _name_steps(jobid, steps)
    sys.stdout.flush()
    if not dry:
        consumer.done(window.end)
    return 0


def _name_steps(jobid: int, steps: list[Step]) -> None:
    """Name a job on standard error whose row has times that cannot be subtracted."""
    from projections.notation.jobid import encode  # noqa: PLC0415

    told = ", and ".join(map(str, steps))
    say(f"flux-jobdb: {encode(jobid)}: {told}; its row has the times that came", err=True)


def _explain(jobid: int, target: Target | None) -> int:
    from cli.accounting.explain import explain  # noqa: PLC0415
    from eventstore.errors import StoreError  # noqa: PLC0415
    from eventstore.reading import event_log  # noqa: PLC0415
    from projections.engine.fold_batch import refold  # noqa: PLC0415
    from projections.notation.jobid import encode  # noqa: PLC0415

    with reading() as store, store.snapshot() as db:
        keys = event_log.keys(db, jobid)
        if not keys:
            raise StoreError(
                f"{encode(jobid)}: no such job here; `flux-jobdb list -a` shows jobs"
            )
        for key in keys:
            gone = refold(db, key, event_log.head(db)) is None
            weights = target.weights() if target is not None else None
            found = explain(event_log.job_records(db, key), gone=gone, weights=weights)
            say(f"{encode(jobid)} {found.verdict}")
            if target is not None:
                say(_presence(target, jobid, found.figures))
            for figure in found.figures:
                say(_line(figure))
            for step in found.steps:
                say(f"  {step}")
    return 0


def _presence(target: Target, jobid: int, figures: list[Figure]) -> str:
    there = target.submitted(jobid)
    if there is None:
        return f"{target.path} does not have it"
    mine = any(figure.name == "submitted" and figure.value == there for figure in figures)
    return f"{target.path} has {'it' if mine else 'another job of this id'}"


def _line(figure: Figure) -> str:
    event = figure.event
    if event is None:
        return f"  {figure.name:<10} -"
    value = "-" if figure.value in {None, ""} else str(figure.value)
    if figure.name in _TIMES and figure.value is not None:
        value = format_moment(figure.value)
    at = format_moment(event.entry.timestamp)
    return f"  {figure.name:<10} {value:<28} {event.entry.name} of {at}, seq {event.seq}"

# SPDX-License-Identifier: LGPL-3.0
"""``flux-jobdb ingest``."""

from __future__ import annotations

import click

from cli.database import writing
from cli.main import REJECTED
from cli.options import db_option
from cli.output.streams import say
from cli.progress import progress

__all__ = ["command"]


@click.command(epilog="Example: flux-jobdb --db jobs.sqlite ingest --boot 2 journal-2.jsonl.gz")
@db_option
@click.option("--boot", metavar="ID", help="The broker's boot that the files come from.")
@click.argument("files", nargs=-1, metavar="[FILE]...")
def command(boot: str | None, files: tuple[str, ...]) -> int:
    """Store recorded journals: one response of job-manager.events-journal a line.

    Without a FILE, records the journal of the enclosing instance until it ends or a signal
    arrives; Flux's own job-list may stay loaded.

    A line may also be the payload of a job-purge-inactive event. FILE may be gzipped; - is
    standard input. Ingest is idempotent: events that are stored already are skipped, so files
    may be given again, and in any order. Lines that cannot be read are kept as rejects, and
    the exit status is 3.
    """
    if not files:
        return _record(boot)
    from cli.journal_files import JournalFile  # noqa: PLC0415
    from eventstore.ingest.counts import Counts  # noqa: PLC0415
    from eventstore.ingest.writer import Writer  # noqa: PLC0415

    inputs = [JournalFile(path) for path in files]
    total = Counts()
    with writing() as (store, views):
        try:
            for source in inputs:
                writer = Writer(store, source.name, views, boot=boot)
                outcome = "stopped"
                try:
                    with progress(source.name) as advance:
                        for batch in source.batches():
                            total.add(writer.append(batch))
                            advance(source.position, source.size)
                    outcome = "done"
                finally:
                    writer.close(outcome)
        finally:
            say(_summary(total), err=True)
    return REJECTED if total.rejected else 0


def _record(boot: str | None) -> int:
    """Record the live journal of the enclosing instance."""
    from cli.instance import connected  # noqa: PLC0415
    from joblist.broker.entry import record  # noqa: PLC0415

    link = connected()
    with writing() as (_, views):
        total = record(link, views, boot)
        say(_summary(total), err=True)
    return REJECTED if total.rejected else 0


def _summary(counts: object) -> str:
    responses, new, known, rejected = (
        getattr(counts, name) for name in ("responses", "new", "known", "rejected")
    )
    return (
        f"{responses} responses: {new} events new, {known} already stored; {rejected} rejects"
    )

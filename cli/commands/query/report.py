# SPDX-License-Identifier: LGPL-3.0
"""``flux-jobdb report``."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from cli.database import reading
from cli.options import Time, db_option
from cli.output import colors
from cli.output.streams import say

if TYPE_CHECKING:
    import apsw

    from cli.reports.figures import Sheet
    from projections.reports.report import Question, Report

__all__ = ["command"]


class _Keys(click.ParamType["tuple[str, ...]"]):
    """What jobs are grouped by: names from a list, separated by commas."""

    name = "KEY,..."

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return the names, each once."""
        from projections.reports.report import KEYS  # noqa: PLC0415

        if isinstance(value, tuple):  # a default
            return value
        names = tuple(dict.fromkeys(part for part in str(value).split(",") if part))
        for name in names:
            if name not in KEYS:
                self.fail(f"{name!r}: expected some of {', '.join(KEYS)}", param, ctx)
        return names


@click.command(epilog="Example: flux-jobdb report usage --by month --group bank,user --csv")
@db_option
@click.option("--by", type=click.Choice(("hour", "day", "week", "month")),
              help="Cut the range into these; weeks begin on Monday.")  # fmt: skip
@click.option("--group", "keys", type=_Keys(), default=(), metavar="KEY,...",
              help="A row for each queue, user, bank, project, name.")  # fmt: skip
@click.option("--since", type=Time(), metavar="TIME", help="From TIME on [the beginning].")
@click.option("--until", type=Time(), metavar="TIME", help="Before TIME [now].")
@click.option("--tz", "zone", metavar="ZONE",
              help="Time zone of the periods, as Europe/Berlin [UTC].")  # fmt: skip
@click.option("--json", "form", flag_value="json", help="One JSON object a line.")
@click.option("--csv", "form", flag_value="csv", help="CSV with a heading (RFC 4180).")
@click.option("--chart", "form", flag_value="chart",
              help="Bars, drawn by plotext (extra `charts`).")  # fmt: skip
@click.option("--color", type=click.Choice(colors.WHEN), is_flag=False, flag_value="always",
              metavar="WHEN",
              help="Color bars: always (also without WHEN), never, auto.")  # fmt: skip
@click.argument("kind", type=click.Choice(("jobs", "waits", "usage", "nodes")))
def command(kind: str, form: str | None, **options: Any) -> None:  # noqa: ANN401
    """Report what jobs did: how they ended, how long they waited, what they used; and nodes.

    jobs: how many became inactive, by result. waits: seconds from submission to allocation, of
    those that began to run. usage: how many ran, and for how many seconds times nodes and
    cores; a job is shared out to the periods that it ran in. nodes: seconds that nodes were
    allocated, idle, drained, offline, torpid, excluded, unknown.
    """
    from cli.reports.figures import sheet  # noqa: PLC0415
    from projections.reports.completeness import missing  # noqa: PLC0415
    from projections.reports.kinds import KINDS  # noqa: PLC0415

    report = KINDS[kind]
    if report.beginning is not None and options["keys"]:
        raise click.UsageError(f"report {kind}: --group is of jobs: leave it out")
    with reading() as store, store.snapshot() as db:
        question = _question(db, options, report)
        rows = report.rows(db, question)
        keys, named = question.group.keys, options["by"] is not None
        _print(sheet(report, rows, keys, named=named), report, form, options["color"])
        notes = [report.note(db, question)]
        if lacking := missing(db, store.path, question):
            notes.append(f"incomplete: {lacking}; `flux-jobdb gaps` lists them")
    for note in filter(None, notes):
        say(f"flux-jobdb: {note}" if form else note, err=form is not None)


def _question(db: apsw.Connection, options: dict[str, Any], report: Report) -> Question:
    from projections.reports.periods import zone  # noqa: PLC0415
    from projections.reports.questions import question  # noqa: PLC0415

    until = time.time() if options["until"] is None else options["until"]
    try:
        return question(
            db, options["keys"], since=options["since"], until=until,
            by=options["by"], where=zone(options["zone"]), beginning=report.beginning,
        )  # fmt: skip
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _print(found: Sheet, report: Report, form: str | None, color: str | None) -> None:
    from cli.reports import charts, csv, objects, tables  # noqa: PLC0415

    if form == "json":
        sys.stdout.buffer.writelines(objects.lines(found))
    elif form == "csv":
        sys.stdout.writelines(csv.lines(found))
    elif form == "chart":
        width = shutil.get_terminal_size().columns
        colored = colors.wanted(color)
        sys.stdout.writelines([charts.drawn(found, report.chart, width, colored=colored)])
    else:
        sys.stdout.writelines(f"{line}\n" for line in tables.lines(found))

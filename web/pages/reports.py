# SPDX-License-Identifier: LGPL-3.0
"""Reports: figures over time and by group, as `flux-jobdb report` gives them.

Who sees own jobs only gets the figures of own jobs only. The report of nodes names no job.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from markupsafe import Markup

from cli.reports.figures import Cell, Heading, Seconds, Sheet, sheet
from joblist.visibility import own_users
from projections.job.run_time import SECOND
from projections.notation.timespec import format_duration
from projections.reports.completeness import missing
from projections.reports.kinds import KINDS
from projections.reports.periods import BY, zone
from projections.reports.questions import question
from projections.reports.report import KEYS, Group, Question, Report, Row
from web.asking import Asking
from web.pages.jobs import databases, exact, quoted

MOST_ROWS = 3000
"""Rows that are shown; the command line has all."""
MOST_PERIODS = 20_000
"""Periods of a report: two years by the hour."""
_SHORTEST = {"hour": 3600.0, "day": 82800.0, "week": 600_000.0, "month": 2_400_000.0}
_OWNER = "user"
_UNITS = {"jobs": "jobs", "waits": "seconds", "usage": "node-seconds", "nodes": "node-seconds"}
"""What the numbers of a picture count."""


def page(askings: Sequence[Asking], given: Mapping[str, str]) -> dict[str, Any]:
    """Return what the page shows."""
    kind, by, keys = _choices(given)
    found = table(askings, given)
    cells = [
        [_shown(cell, kind, is_figure=heading.is_figure)
         for heading, cell in zip(found.headings, row, strict=True) if heading.is_shown]
        for row in found.rows
    ]  # fmt: skip
    report = KINDS[kind]
    notes = [
        f"{asking.cluster}: {note}" if asking.cluster else note
        for asking in askings if asking.sees_all
        for note in _notes(asking, report, _question(asking, given)) if note
    ]  # fmt: skip
    return {
        "kind": kind, "by": by or "", "keys": keys, "kinds": tuple(KINDS), "bys": BY,
        "all_keys": KEYS, "headings": found.headings, "rows": cells[:MOST_ROWS],
        "cut": len(cells) > MOST_ROWS, "notes": notes,
        "given": given, "command": _command(askings, given), "chart": report.chart,
    }  # fmt: skip


class Shown(NamedTuple):
    """A cell as people read it; ``exact``: of a time, its exact seconds."""

    is_figure: bool
    text: str
    exact: str | None = None


def _shown(cell: Cell, kind: str, *, is_figure: bool) -> Shown:
    if isinstance(cell, Seconds):
        time = cell / SECOND
        text = format_duration(time) if kind == "waits" else f"{time:,.0f}"
        # A number's text has nothing to escape.
        return Shown(is_figure, Markup(text), Markup(cell))  # noqa: S704
    if isinstance(cell, int):
        return Shown(is_figure, Markup(cell))  # noqa: S704
    return Shown(is_figure, "–" if cell is None else str(cell))


def _notes(asking: Asking, report: Report, asked: Question) -> Iterator[str]:
    yield report.note(asking.db, asked)
    lacking = missing(asking.db, asking.path, asked, asking.gap_counts())
    yield f"incomplete: {lacking}" if lacking else ""


def chart(askings: Sequence[Asking], given: Mapping[str, str]) -> dict[str, Any]:
    """Return the picture: periods, and a series of numbers for each group or column."""
    kind, by, keys = _choices(given)
    found = table(askings, given)
    keys = ("cluster", *keys) if len(askings) > 1 else keys
    names = [heading.name for heading in found.headings]
    shown = _columns(kind, KINDS[kind])
    periods: dict[str, int] = {}
    series: dict[str, dict[int, float]] = {}
    starts: dict[str, int] = {}
    for number, row in enumerate(found.rows):
        if number == MOST_ROWS:
            break
        cells = dict(zip(names, row, strict=True))
        group = " ".join("–" if cells[key] is None else str(cells[key]) for key in keys)
        x = str(cells["period"]) if by else group or "all"
        place = periods.setdefault(x, len(periods))
        starts[x] = int(cells["from"] or 0) if by else 0
        for column in shown:
            name = " ".join(
                filter(None, (group if by else "", column if len(shown) > 1 else ""))
            )
            value = cells[column]
            figure = float(str(value)) if value is not None else 0.0
            series.setdefault(name or column, {})[place] = figure
    order = sorted(periods, key=lambda x: starts[x])  # clusters begin at different times
    return {
        "x": order,
        "stack": kind in {"nodes", "jobs", "usage"},
        "line": kind == "waits",
        "unit": _UNITS[kind],
        "of_states": kind in {"nodes", "jobs"} and not keys,
        "series": [
            {"name": name, "values": [values.get(periods[x]) for x in order]}
            for name, values in series.items()
        ],
    }


def table(askings: Sequence[Asking], given: Mapping[str, str]) -> Sheet:
    """Return the rows of a report, cluster by cluster; raises ValueError."""
    sheets = [_of_one(asking, given) for asking in askings]
    if not askings[0].cluster:
        return sheets[0]
    rows = (_named(asking.cluster, one.rows)
            for asking, one in zip(askings, sheets, strict=True))  # fmt: skip
    headings = (Heading("cluster", is_figure=False), *sheets[0].headings)
    return Sheet(headings, chain.from_iterable(rows))


def _named(cluster: str, rows: Iterator[tuple[Cell, ...]]) -> Iterator[tuple[Cell, ...]]:
    for row in rows:
        yield cluster, *row


def _of_one(asking: Asking, given: Mapping[str, str]) -> Sheet:
    kind, by, keys = _choices(given)
    report, asked = KINDS[kind], _question(asking, given)
    rows = report.rows(asking.db, asked)
    if not asking.sees_all and report.beginning is None:
        rows = _own(asking, report, asked)
    return sheet(report, rows, keys, named=by is not None)


def _question(asking: Asking, given: Mapping[str, str]) -> Question:
    kind, by, keys = _choices(given)
    until, since = asking.time(given, "until"), asking.time(given, "since")
    until = asking.now if until is None else until
    if by is not None and since is not None:
        _check((until - since) / _SHORTEST[by], by)
    found = question(
        asking.db, keys, since=since, until=until, by=by, where=zone(given.get("tz") or None),
        beginning=KINDS[kind].beginning,
    )  # fmt: skip
    _check(len(found.periods), by)
    return found


def _check(periods: float, by: str | None) -> None:
    if periods > MOST_PERIODS:
        raise ValueError(
            f"that is more than {MOST_PERIODS} periods of one {by}: choose a shorter range, or"
            " longer periods; `flux-jobdb report` has no such limit"
        )


def _own(asking: Asking, report: Report, asked: Question) -> Iterator[Row]:
    """Yield the rows of the viewer's own jobs: grouped by user first, others left out."""
    keys = asked.group.keys
    by_user = Question(asked.periods, Group((_OWNER, *(key for key in keys if key != _OWNER))))
    own = own_users(asking.viewer)
    for period, group, figures in report.rows(asking.db, by_user):
        if group[0] in own:
            values = dict(zip(by_user.group.keys, group, strict=True))
            yield Row(period, tuple(values[key] for key in keys), figures)


def _columns(kind: str, report: Report) -> Sequence[str]:
    """Return the columns that are drawn."""
    if kind == "waits":
        return ("median", "p90", "p99")
    if kind == "usage":
        return ("node_seconds",)
    names = [column.name for column in report.columns]
    return names[1:] if kind == "jobs" else names


def _choices(given: Mapping[str, str]) -> tuple[str, str | None, tuple[str, ...]]:
    kind, by = given.get("kind") or "usage", given.get("by") or None
    keys = tuple(dict.fromkeys(key for key in given.get("group", "").split(",") if key))
    for value, known in ((kind, tuple(KINDS)), (by, (None, *BY)), *((k, KEYS) for k in keys)):
        if value not in known:
            raise ValueError(
                f"{value!a:.100}: expected one of {', '.join(filter(None, known))}"
            )
    if KINDS[kind].beginning is not None and keys:
        raise ValueError(f"report {kind}: groups are of jobs: leave them out")
    return kind, by, keys


def _command(askings: Sequence[Asking], given: Mapping[str, str]) -> str:
    kind, by, keys = _choices(given)
    words = [f"flux-jobdb report {kind}", *databases(askings)]
    words += [f"--by {by}"] if by else []
    words += [f"--group {','.join(keys)}"] if keys else []
    given = {**given, **exact(askings[0], given)}
    given["until"] = given.get("until") or given.get("at", "")
    for name in ("since", "until", "tz"):
        if given.get(name):
            words.append(f"--{name} {quoted(given[name])}")
    return " ".join(words)

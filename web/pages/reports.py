# SPDX-License-Identifier: LGPL-3.0
"""Reports: figures over time and by group, as `flux-jobdb report` gives them.

Who sees own jobs only gets the figures of own jobs only. The report of nodes names no job.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cli.reports.figures import Sheet, sheet
from joblist.visibility import own_users
from projections.notation.timespec import parse_time
from projections.reports.completeness import missing
from projections.reports.kinds import KINDS
from projections.reports.periods import BY, zone
from projections.reports.questions import question
from projections.reports.report import KEYS, Group, Question, Report, Row
from web.asking import Asking

MOST_ROWS = 3000
"""Rows that are shown; the command line has all."""
_OWNER = "user"
_UNITS = {"jobs": "jobs", "waits": "seconds", "usage": "node-seconds", "nodes": "node-seconds"}
"""What the numbers of a picture count."""


def page(asking: Asking, given: Mapping[str, str]) -> dict[str, Any]:
    """Return what the page shows."""
    kind, by, keys = _choices(given)
    found, question_ = table(asking, given)
    cells = [[str(cell) if cell is not None else None for cell in row] for row in found.rows]
    report = KINDS[kind]
    notes = []
    if asking.sees_all:
        notes = [report.note(asking.db, question_)]
        lacking = missing(asking.db, asking.path, question_, asking.gap_counts())
        notes += [f"incomplete: {lacking}"] if lacking else []
    return {
        "kind": kind, "by": by or "", "keys": keys, "kinds": tuple(KINDS), "bys": BY,
        "all_keys": KEYS, "headings": found.headings, "rows": cells[:MOST_ROWS],
        "cut": len(cells) > MOST_ROWS, "notes": [note for note in notes if note],
        "given": given, "command": _command(kind, by, keys, given), "chart": report.chart,
    }  # fmt: skip


def chart(asking: Asking, given: Mapping[str, str]) -> dict[str, Any]:
    """Return the picture: periods, and a series of numbers for each group or column."""
    kind, by, keys = _choices(given)
    found, _ = table(asking, given)
    names = [heading.name for heading in found.headings]
    shown = _columns(kind, KINDS[kind])
    periods: dict[str, int] = {}
    series: dict[str, dict[int, float]] = {}
    for number, row in enumerate(found.rows):
        if number == MOST_ROWS:
            break
        cells = dict(zip(names, row, strict=True))
        group = " ".join("–" if cells[key] is None else str(cells[key]) for key in keys)
        x = str(cells["period"]) if by else group or "all"
        place = periods.setdefault(x, len(periods))
        for column in shown:
            name = " ".join(
                filter(None, (group if by else "", column if len(shown) > 1 else ""))
            )
            value = cells[column]
            figure = float(str(value)) if value is not None else 0.0
            series.setdefault(name or column, {})[place] = figure
    return {
        "x": list(periods),
        "stack": kind in {"nodes", "jobs", "usage"},
        "line": kind == "waits",
        "unit": _UNITS[kind],
        "of_states": kind in {"nodes", "jobs"} and not keys,
        "series": [
            {"name": name, "values": [values.get(place) for place in range(len(periods))]}
            for name, values in series.items()
        ],
    }


def table(asking: Asking, given: Mapping[str, str]) -> tuple[Sheet, Question]:
    """Return the rows of a report; raises ValueError."""
    kind, by, keys = _choices(given)
    report = KINDS[kind]
    until = parse_time(given["until"], now=asking.now) if given.get("until") else asking.now
    since = parse_time(given["since"], now=asking.now) if given.get("since") else None
    asked = question(
        asking.db, keys, since=since, until=until, by=by, where=zone(given.get("tz") or None),
        beginning=report.beginning,
    )  # fmt: skip
    rows = report.rows(asking.db, asked)
    if not asking.sees_all and report.beginning is None:
        rows = _own(asking, report, asked)
    return sheet(report, rows, keys, named=by is not None), asked


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


def _command(kind: str, by: str | None, keys: tuple[str, ...], given: Mapping[str, str]) -> str:
    words = [f"flux-jobdb report {kind}"]
    words += [f"--by {by}"] if by else []
    words += [f"--group {','.join(keys)}"] if keys else []
    for name in ("since", "until", "tz"):
        if given.get(name):
            quoted = given[name].replace("'", "'\\''")
            words.append(f"--{name} '{quoted}'")
    return " ".join(words)

# SPDX-License-Identifier: LGPL-3.0
"""The cells of a report: which columns there are, and the values of each row.

Times are exact: seconds with up to six digits behind the point.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias

from cli.flux_jobs.fields import user_names
from projections.job.run_time import SECOND
from projections.reports.report import Report, Row

__all__ = ["Cell", "Heading", "Sheet", "seconds", "sheet"]

Cell: TypeAlias = "str | int | Seconds | None"


class Seconds(int):
    """Microseconds that are shown as seconds."""

    def __str__(self) -> str:
        return seconds(self)


class Heading(NamedTuple):
    """A column: its name, whether it holds figures, and whether people are shown it."""

    name: str
    is_figure: bool = True
    is_shown: bool = True


class Sheet(NamedTuple):
    """A report as rows of cells below headings."""

    headings: tuple[Heading, ...]
    rows: Iterator[tuple[Cell, ...]]


def seconds(microseconds: int) -> str:
    """Return microseconds as seconds, exact, without zeros at the end."""
    whole, rest = divmod(abs(microseconds), SECOND)
    sign = "-" if microseconds < 0 else ""
    return sign + (f"{whole}.{rest:06}".rstrip("0") if rest else str(whole))


def sheet(report: Report, rows: Iterable[Row], keys: tuple[str, ...], *, named: bool) -> Sheet:
    """Return a report as cells; ``named``: its periods have names.

    A range that was not limited begins at no time.
    """
    headings = (
        *((Heading("period", False),) if named else ()),
        Heading("from", is_figure=False, is_shown=False),
        Heading("to", is_figure=False, is_shown=False),
        *(heading for key in keys for heading in _HEADINGS.get(key, (Heading(key, False),))),
        *(Heading(column.name) for column in report.columns),
    )
    return Sheet(headings, _cells(report, rows, keys, named))


_HEADINGS = {"user": (Heading("userid", False, False), Heading("user", False))}


def _cells(
    report: Report, rows: Iterable[Row], keys: tuple[str, ...], named: bool
) -> Iterator[tuple[Cell, ...]]:
    username = user_names()
    for period, group, figures in rows:
        cells: list[Cell] = [period.name] if named else []
        cells += [Seconds(period.start) if period.start else None, Seconds(period.end)]
        for key, value in zip(keys, group, strict=True):
            cells.append(value)
            if key == "user":
                cells.append(username(int(value or 0)))
        for column, figure in zip(report.columns, figures, strict=True):
            is_time = column.is_time and figure is not None
            cells.append(Seconds(figure) if is_time and figure is not None else figure)
        yield tuple(cells)

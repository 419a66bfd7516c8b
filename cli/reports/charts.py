# SPDX-License-Identifier: LGPL-3.0
"""Reports as charts: a bar for each row, drawn by plotext (the extra ``charts``)."""

from __future__ import annotations

from cli.output.shown import shown
from cli.reports.figures import Seconds, Sheet
from eventstore.errors import StoreError
from projections.job.run_time import SECOND

__all__ = ["MOST_BARS", "drawn"]

MOST_BARS = 400
_WIDEST = 40  # characters of a label


def drawn(sheet: Sheet, column: str, width: int, *, colored: bool) -> str:
    """Return the chart of a column, ``width`` characters wide.

    Raises StoreError where plotext is missing, or rows are too many.
    """
    try:
        import plotext  # noqa: PLC0415 - what only charts need
    except ImportError as error:
        raise StoreError(
            "--chart needs plotext: pip install 'flux-jobdb[charts]', or leave it out"
        ) from error
    labels, values = _bars(sheet, column)
    if not labels:
        return ""
    plotext.clear_figure()
    plotext.simple_bar(labels, values, width=width, title=column.replace("_", "-"))
    text = str(plotext.build())
    return text if colored else str(plotext.uncolorize(text))


def _bars(sheet: Sheet, column: str) -> tuple[list[str], list[float]]:
    names = [heading.name for heading in sheet.headings]
    which = [i for i, one in enumerate(sheet.headings) if one.is_shown and not one.is_figure]
    place = names.index(column)
    labels: list[str] = []
    values: list[float] = []
    for row in sheet.rows:
        if len(labels) == MOST_BARS:
            raise StoreError(
                f"--chart draws {MOST_BARS} bars at most; narrow the range, or group less"
            )
        cells = (shown("-" if row[i] is None else str(row[i])) for i in which)
        labels.append(" ".join(cells)[:_WIDEST] or "all")
        figure = row[place]
        assert not isinstance(figure, str)
        values.append((figure or 0) / SECOND if isinstance(figure, Seconds) else figure or 0)
    return labels, values

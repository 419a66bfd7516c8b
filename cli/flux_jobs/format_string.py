# SPDX-License-Identifier: LGPL-3.0
"""Tables laid out by format strings, as `flux jobs -o` takes them.

The language is that of flux-jobs(1), OUTPUT FORMAT, and of OutputFormat and UtilFormatter in
Flux's Python module flux.util: a replacement field per column, `{name!conversion:spec}`, with

* conversions !d (strftime, then `::` and a spec), !D (ISO 8601), !F (Flux Standard Duration),
  !H (hours:minutes:seconds), !P (per cent), besides Python's !s, !r and !a;
* the suffixes `h` (a hyphen in place of nothing or zero) and `+` (marks a text cut short);
* before a field, `?:` (drop the column if it is empty in every row), `+:` (widen it to its
  longest text), `?+:` (both); before the first, `sort:KEY,-KEY `.

Unlike there, an unset value is blank under a numeric spec, too, and `+:` works with !d. A value
that its conversion or specification does not suit (a date beyond the calendar, a text as a
number) is a hyphen in its cell, and harmful characters are shown escaped.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from string import Formatter
from typing import Any, NamedTuple, Protocol, TypeVar

from cli.output.shown import shown
from projections.notation.timespec import format_duration

__all__ = ["OutputFormat", "Row"]

_ISO_8601 = "%FT%T"
_ZONE = re.compile("%:?z|%Z")
"""What shows a local time's zone, where a format asks for it."""

# Texts that count as empty: an unset time is the epoch, in UTC or local time.
_EPOCHS = ("1970-01-01T00:00:00", datetime.fromtimestamp(0).strftime(_ISO_8601))
_EMPTY = {"", "0s", "0.0", "0:00:00", *_EPOCHS}
_NONE = "-"
"""What stands for a value that cannot be shown."""
_UNKNOWN = {"", _NONE}
"""Texts of a value that there is none of: no conversion and no numeric spec suits them."""
_UNSUITABLE = (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError)
"""What conversions, specifications and fields raise for a value that does not suit them."""


class Row(Protocol):
    """A row of the table: maps each field name to a value."""

    def __getitem__(self, name: str, /) -> object: ...


_RowT = TypeVar("_RowT", bound=Row)
_Result = TypeVar("_Result")
_REMEMBERED = 1000  # values of a column


class OutputFormat:
    """A parsed format string, which formats rows as lines."""

    def __init__(self, text: str, heading: Callable[[str], str], *, sort: str = "") -> None:
        """Parse the format string `text`.

        `heading` returns the heading of a field and raises KeyError if there is no such field.
        `sort`, a list KEY,-KEY of field names, takes the place of a `sort:` prefix of `text`.

        Raises ValueError with one line about a mistake in `text` or `sort`.
        """
        prefix = re.match(r"sort:([^{\s]*) ?", text)
        if prefix:
            text = text[prefix.end() :]
            sort = sort or prefix[1]
        self._columns, self._tail = _parse(text, heading)
        self._sort = _sort_keys(sort, heading)

    @property
    def names(self) -> list[str]:
        """The names of the fields that are shown, then of those that are sorted by."""
        return [column.name for column in self._columns] + [name for name, _ in self._sort]

    def lines(
        self, rows: Iterable[Row], *, header: bool = True, width: int | None = None
    ) -> Iterator[str]:
        """Yield the lines of a table, without blank ones, cut to `width` characters if given.

        Rows are read lazily, unless the format sorts them or fits columns to them.
        """
        return (line for line, _ in self.lines_and_rows(rows, header=header, width=width))

    def lines_and_rows(
        self, rows: Iterable[_RowT], *, header: bool = True, width: int | None = None
    ) -> Iterator[tuple[str, _RowT | None]]:
        """Yield the `lines`, each with its row; that of the header is None."""
        columns = self._columns
        if any(column.collapse or column.expand for column in columns):
            rows = list(rows)
            columns = _fitted(columns, rows, header=header)
        if header:
            yield _cut("".join(map(_header, columns)) + self._tail, width), None
        cells = [_cell(column) for column in columns]
        for row in self._ordered(rows):
            line = "".join([cell(row) for cell in cells]) + self._tail
            if line and not line.isspace():
                yield _cut(line, width), row

    def _ordered(self, rows: Iterable[_RowT]) -> Iterable[_RowT]:
        # Sorting is stable, so the first key goes last.
        for name, reverse in reversed(self._sort):
            rows = sorted(rows, key=partial(_sort_value, name), reverse=reverse)
        return rows


class _Spec(NamedTuple):
    """A format specification: that of Python in its parts, and the suffixes h and +."""

    fill: str
    align: str
    flags: str
    width: int
    grouping: str
    precision: int
    kind: str
    hyphen: bool
    mark: bool

    def python(self) -> str:
        precision = f".{self.precision}" if self.precision >= 0 else ""
        options = f"{self.grouping}{precision}{self.kind}"
        return f"{self.fill}{self.align}{self.flags}{self.width or ''}{options}"

    def text(self) -> str:
        """The specification for a text in place of a value: a number's would not suit it."""
        align = self.align.replace("=", "")
        return f"{self.fill * bool(align)}{align}{self.width or ''}"

    def widened(self, width: int) -> "_Spec":
        """Return the specification with at least `width`, and never cutting texts below it."""
        width = max(width, self.width)
        cuts = self.kind in ("", "s") and 0 < self.precision < width
        return self._replace(width=width, precision=width if cuts else self.precision)


class _Column(NamedTuple):
    """A replacement field and the literal text in front of it."""

    before: str
    name: str
    heading: str
    convert: Callable[[Any], int | float | str]
    spec: _Spec
    collapse: bool
    expand: bool

    def value(self, row: Row) -> object:
        """Return the value of the field in `row`; `_NONE` where that fails."""
        try:
            return row[self.name]
        except _UNSUITABLE:
            return _NONE

    def converted(self, value: Any) -> int | float | str:  # noqa: ANN401 - as a row has it
        """Return the value as the column's conversion has it; `_NONE` where that fails."""
        try:
            text = str(value)
            return text if text in _UNKNOWN else self.convert(value)
        except _UNSUITABLE:
            return _NONE


def _mistake(reason: str) -> ValueError:
    return ValueError(f"Error in user format: {reason}")


def _parse(text: str, heading: Callable[[str], str]) -> tuple[list[_Column], str]:
    """Split a format string into its columns and the literal text after the last of them."""
    columns = []
    literals = ""  # escaped braces make several in a row
    try:
        for literal, name, spec, conversion in Formatter().parse(text):
            literals += literal
            if name is not None:
                columns.append(_column(literals, name, spec or "", conversion or "", heading))
                literals = ""
    except ValueError as error:
        raise _mistake(str(error)) from None
    return columns, literals


def _column(
    before: str, name: str, spec: str, conversion: str, heading: Callable[[str], str]
) -> _Column:
    sentinel = next((mark for mark in ("?+:", "?:", "+:") if before.endswith(mark)), "")
    try:
        title = heading(name)
    except KeyError:
        raise ValueError(f"Unknown format field: {name}") from None
    if conversion == "d":
        time_format, _, spec = spec.partition("::")
        convert: Callable[[Any], int | float | str] = partial(
            _strftime, time_format or _ISO_8601
        )
    elif conversion in _CONVERSIONS:
        convert = _CONVERSIONS[conversion]
    else:
        raise ValueError(f"Unknown conversion '!{conversion}' in {{{name}}}")
    return _Column(
        before=before.removesuffix(sentinel),
        name=name,
        heading=title,
        convert=convert,
        spec=_parse_spec(spec),
        collapse="?" in sentinel,
        expand="+" in sentinel,
    )


_SPEC = re.compile(
    r"(?:(?P<fill>[\s\S])?(?P<align>[<>=^]))?(?P<flags>[- +]?z?#?0?)(?P<width>\d{1,5})?"
    r"(?P<grouping>[_,]?)(?:\.(?P<precision>\d{1,5}))?(?P<kind>[bcdeEfFgGnosxX%]?)"
    r"(?P<hyphen>h?)(?P<mark>\+?)"
)


def _parse_spec(text: str) -> _Spec:
    match = _SPEC.fullmatch(text)
    # "h" turns every value into text.
    if not match or (match["hyphen"] and match["kind"] not in ("", "s")):
        raise ValueError(f"Invalid format specifier '{text}'")
    return _Spec(
        fill=match["fill"] or "",
        align=match["align"] or "",
        flags=match["flags"],
        width=int(match["width"] or 0),
        grouping=match["grouping"],
        precision=int(match["precision"] or -1),
        kind=match["kind"],
        hyphen=bool(match["hyphen"]),
        mark=bool(match["mark"]),
    )


def _fitted(columns: list[_Column], rows: Sequence[Row], *, header: bool) -> list[_Column]:
    """Leave out the columns that are to collapse and widen those that are to expand."""
    fitted = (_fit(column, rows, header=header) for column in columns)
    return [column for column in fitted if column]


def _fit(column: _Column, rows: Sequence[Row], *, header: bool) -> _Column | None:
    if not (column.collapse or column.expand):
        return column
    width_of = _remembering(lambda value: _text_width(column.converted(value)))
    width = max((width_of(column.value(row)) for row in rows), default=0)
    if column.collapse and not width:
        return None
    if not column.expand:
        return column
    heading = len(column.heading) if header else 0
    return column._replace(spec=column.spec.widened(max(width, heading)))


def _text_width(value: int | float | str) -> int:
    text = str(value)
    return 0 if text in _EMPTY else len(text)


def _header(column: _Column) -> str:
    # Headings are text: "=" alignment and precision do not apply.
    align = column.spec.align.replace("=", "")
    return column.before + format(column.heading, f"{align}{column.spec.width or ''}")


def _cell(column: _Column) -> Callable[[Row], str]:
    """Make the function that shows the column's cell of a row."""
    spec, before, value_of = column.spec, column.before, column.value
    converted = column.converted
    layout = spec.python()
    blank, none = (before + format(text, spec.text()) for text in ("", _NONE))

    def show(given: object) -> str:
        value = converted(given)
        text = str(value)
        if spec.hyphen and text in _EMPTY:
            text = _NONE
        if text == _NONE:
            return none
        if not text:
            return blank
        try:
            laid_out = format(text if spec.hyphen else value, layout)
        except _UNSUITABLE:
            return none
        if spec.kind == "c":  # a number becomes any character
            laid_out = shown(laid_out)
        marked = spec.mark and len(laid_out) < len(text)
        return before + (laid_out[:-1] + "+" if marked else laid_out)

    remembering = _remembering(show)
    return lambda row: remembering(value_of(row))


def _remembering(function: Callable[[object], _Result]) -> Callable[[object], _Result]:
    """Make a pure function remember its results: most columns have few values, often."""
    # By their type: 1, 1.0 and True are equal. Of other types, most values occur once.
    known: dict[type, dict[object, _Result]] = {str: {}, int: {}}

    def remembering(value: object) -> _Result:
        results = known.get(type(value))
        if results is None:
            return function(value)
        if value not in results:
            if len(results) >= _REMEMBERED:
                results.clear()
            results[value] = function(value)
        return results[value]

    return remembering


def _cut(line: str, width: int | None) -> str:
    return line[: width - 1] + "+" if width and len(line) > width else line


def _sort_keys(text: str, heading: Callable[[str], str]) -> list[tuple[str, bool]]:
    """Parse KEY,-KEY into names and whether to reverse."""
    keys = [key for key in map(str.strip, text.split(",")) if key]
    result = [(key.removeprefix("-"), key.startswith("-")) for key in keys]
    for name, _ in result:
        try:
            heading(name)
        except KeyError:
            raise ValueError(f"Invalid sort key: {name}") from None
    return result


def _sort_value(name: str, row: Row) -> tuple[int, float | str]:
    """Order the values of a field: unset ones, then numbers even if as text, then texts."""
    try:
        value = row[name]
    except _UNSUITABLE:
        return 0, 0
    if value is None or value in ("", "-"):
        return 0, 0
    if isinstance(value, (int, float)):
        return 1, value
    text = str(value)
    try:
        number = float(text)
    except ValueError:
        return 2, text
    return (2, text) if math.isnan(number) else (1, number)


def _plain(value: object) -> int | float | str:
    return value if isinstance(value, (int, float)) else shown(str(value))


def _strftime(time_format: str, seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds)
    if moment == datetime.fromtimestamp(0):
        return ""
    return (moment.astimezone() if _ZONE.search(time_format) else moment).strftime(time_format)


def _clock(seconds: float) -> str:
    # Less than a second is shown as one: 0:00:00 means unset.
    return str(timedelta(seconds=1 if 0 < seconds < 1 else round(seconds)))


def _percentage(fraction: float) -> str:
    percent = fraction * 100
    return f"{percent:.2f}%" if 0 < percent < 1 else f"{percent:.3g}%"


# By these, text of users is made harmless before the specification counts its characters.
_CONVERSIONS: dict[str, Callable[[Any], int | float | str]] = {
    "": _plain,
    "s": lambda value: shown(str(value)),
    "r": repr,  # escapes what is not printable
    "a": ascii,
    "D": partial(_strftime, _ISO_8601),
    "F": format_duration,
    "H": _clock,
    "P": _percentage,
}

# SPDX-License-Identifier: LGPL-3.0
"""Tables laid out by format strings, as `flux jobs -o` takes them.

The language is that of flux-jobs(1), OUTPUT FORMAT, and of OutputFormat and UtilFormatter in
Flux's Python module flux.util: a replacement field per column, `{name!conversion:spec}`, with

* conversions !d (strftime, then `::` and a spec), !D (ISO 8601), !F (Flux Standard Duration),
  !H (hours:minutes:seconds), !P (per cent), besides Python's !s, !r and !a;
* the suffixes `h` (a hyphen in place of nothing or zero) and `+` (marks a text cut short);
* before a field, `?:` (drop the column if it is empty in every row), `+:` (widen it to its
  longest text), `?+:` (both); before the first, `sort:KEY,-KEY `.

Unlike there, an unset value is blank under a numeric spec, too, and `+:` works with !d.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from string import Formatter
from typing import Any, NamedTuple, Protocol, TypeVar

from cli.flux_jobs.timespec import format_duration

__all__ = ["FORMATS", "NamedFormat", "OutputFormat", "Row", "format_string"]

_T = TypeVar("_T")

_ISO_8601 = "%FT%T"

# Texts that count as empty: an unset time is the epoch, in UTC or local time.
_EPOCHS = ("1970-01-01T00:00:00", datetime.fromtimestamp(0).strftime(_ISO_8601))
_EMPTY = {"", "0s", "0.0", "0:00:00", *_EPOCHS}


_UNKNOWN = {"", "-"}
"""Texts of a value that there is none of: no conversion and no numeric spec suits them."""


class Row(Protocol):
    """A row of the table: maps each field name to a value."""

    def __getitem__(self, name: str, /) -> object: ...


class NamedFormat(NamedTuple):
    """A format that `-o NAME` selects."""

    description: str
    format: str


FORMATS = {
    "default": NamedFormat(
        "Default flux-jobs format string",
        "{id.f58:>12} ?:{queue:<8.8} +:{username:<8} {name:<10.10+} "
        "{status_abbrev:>2.2} {ntasks:>6} {nnodes:>6h} "
        "{contextual_time!F:>8h} {contextual_info}",
    ),
    "cute": NamedFormat(
        "Cute flux-jobs format string (default with emojis)",
        "{id.f58:>12} ?:{queue:<8.8} +:{username:<8} {name:<10.10+} "
        "{status_emoji:>5.5} {ntasks:>6} {nnodes:>6h} "
        "{contextual_time!F:>8h} {contextual_info}",
    ),
    "long": NamedFormat(
        "Extended flux-jobs format string",
        "{id.f58:>12} ?:{queue:<8.8} +:{username:<8} {name:<10.10+} "
        "{status:>9.9} {ntasks:>6} {nnodes:>6h} "
        "{t_submit!d:%b%d %R::>12} {t_remaining!F:>12h} "
        "{contextual_time!F:>8h} {contextual_info}",
    ),
    "deps": NamedFormat(
        "Show job urgency, priority, and dependencies",
        "{id.f58:>12} ?:{queue:<8.8} {name:<10.10+} {urgency:<3} "
        "{priority:<12} {state:<8.8} {dependencies}",
    ),
    "endreason": NamedFormat(
        "Show why each job ended",
        "{id.f58:>12} ?:{queue:<8.8} +:{username:<8} {name:<10.10+} "
        "{status_abbrev:>2.2} {t_inactive!d:%b%d %R::>12h} {inactive_reason}",
    ),
}


def format_string(text: str, formats: Mapping[str, NamedFormat] = FORMATS) -> str:
    """Return `text` if it is a format string, else the format of that name; or ValueError."""
    if "{" in text:
        return text
    if text in formats:
        return formats[text].format
    meant = re.sub(r"\w+", r"{\g<0>}", text)
    raise ValueError(f"--format: No such format {text} (Did you mean '{meant}'?)")


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

        Rows are read lazily, unless the format sorts them or fits columns to them. Raises
        ValueError, in one line, for a value that does not fit its column's format.
        """
        columns = self._columns
        if any(column.collapse or column.expand for column in columns):
            rows = list(rows)
            columns = _fitted(columns, rows, header=header)
        if header:
            yield _cut("".join(map(_header, columns)) + self._tail, width)
        cells = [_cell(column) for column in columns]
        for row in self._ordered(rows):
            line = "".join(cell(row) for cell in cells) + self._tail
            if line and not line.isspace():
                yield _cut(line, width)

    def _ordered(self, rows: Iterable[Row]) -> Iterable[Row]:
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

    def blank(self) -> str:
        """The specification for an empty text: a number's would not suit it."""
        fill = "" if self.align == "=" else self.fill + self.align
        return f"{fill}{self.width or ''}"

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
    convert: Callable[[Any], object]
    spec: _Spec
    collapse: bool
    expand: bool

    def use(self, row: Row, function: Callable[[object], _T]) -> _T:
        """Apply `function` to the converted value of the field in `row`."""
        value = row[self.name]
        try:
            return function(value if str(value) in _UNKNOWN else self.convert(value))
        except (TypeError, ValueError, OverflowError, OSError) as error:
            raise _mistake(f"{error} in {{{self.name}}}") from error


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
        convert: Callable[[Any], object] = partial(_strftime, time_format or _ISO_8601)
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


def _fitted(columns: list[_Column], rows: list[Row], *, header: bool) -> list[_Column]:
    """Leave out the columns that are to collapse and widen those that are to expand."""
    fitted = (_fit(column, rows, header=header) for column in columns)
    return [column for column in fitted if column]


def _fit(column: _Column, rows: list[Row], *, header: bool) -> _Column | None:
    if not (column.collapse or column.expand):
        return column
    width = max((column.use(row, _text_width) for row in rows), default=0)
    if column.collapse and not width:
        return None
    if not column.expand:
        return column
    heading = len(column.heading) if header else 0
    return column._replace(spec=column.spec.widened(max(width, heading)))


def _text_width(value: object) -> int:
    text = str(value)
    return 0 if text in _EMPTY else len(text)


def _header(column: _Column) -> str:
    # Headings are text: "=" alignment and precision do not apply.
    align = column.spec.align.replace("=", "")
    return column.before + format(column.heading, f"{align}{column.spec.width or ''}")


def _cell(column: _Column) -> Callable[[Row], str]:
    """Make the function that shows the column's cell of a row."""
    spec = column.spec
    layout, blank = spec.python(), format("", spec.blank())

    def show(value: object) -> str:
        text = str(value)
        if spec.hyphen:
            value = text = "-" if text in _EMPTY else text
        if not text:
            return blank
        if text in _UNKNOWN:
            return format(text, spec.blank())
        shown = format(value if isinstance(value, (int, float)) else text, layout)
        return shown[:-1] + "+" if spec.mark and len(shown) < len(text) else shown

    return lambda row: column.before + column.use(row, show)


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
    value = row[name]
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


def _strftime(time_format: str, seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds)
    return "" if moment == datetime.fromtimestamp(0) else moment.strftime(time_format)


def _clock(seconds: float) -> str:
    # Less than a second is shown as one: 0:00:00 means unset.
    return str(timedelta(seconds=1 if 0 < seconds < 1 else round(seconds)))


def _percentage(fraction: float) -> str:
    percent = fraction * 100
    return f"{percent:.2f}%" if 0 < percent < 1 else f"{percent:.3g}%"


_CONVERSIONS: dict[str, Callable[[Any], object]] = {
    "": lambda value: value,
    "s": str,
    "r": repr,
    "a": ascii,
    "D": partial(_strftime, _ISO_8601),
    "F": format_duration,
    "H": _clock,
    "P": _percentage,
}

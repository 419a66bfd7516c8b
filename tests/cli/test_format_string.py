# SPDX-License-Identifier: LGPL-3.0
"""Formats of `list` against flux-jobs(1), OUTPUT FORMAT, and flux-core's t2800-jobs-cmd.t."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.flux_jobs.fields import Missing
from cli.flux_jobs.format_string import OutputFormat

HEADINGS = {"a": "A", "b": "LONGER", "t": "TIME", "d.e": "DOTTED"}
MOMENT = 1_700_000_000.0  # 2023-11-14 17:13:20 in New York

pytestmark = pytest.mark.usefixtures("new_york")


def parse(text: str, *, sort: str = "") -> OutputFormat:
    return OutputFormat(text, HEADINGS.__getitem__, sort=sort)


def show(text: str, value: object) -> str:
    """Show one value in one column; bars keep a blank line from being left out."""
    (line,) = parse(f"|{text}|").lines([{"a": value}], header=False)
    return line[1:-1]


def table(text: str, *values: object, header: bool = True, sort: str = "") -> list[str]:
    rows = [{"a": value, "b": number} for number, value in enumerate(values)]
    return list(parse(text, sort=sort).lines(rows, header=header))


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("{a}", "x", "x"),
        ("{a}", 1.5, "1.5"),
        ("{a}", None, "None"),
        ("{a}", ["x"], "['x']"),
        ("{a:>4}", "x", "   x"),
        ("{a:<4}", 1, "1   "),
        ("{a:*^5}", "x", "**x**"),
        ("{a:.2}", "xyz", "xy"),
        ("{a:>4}", ["x"], "['x']"),
        ("{a:>8}", ["x"], "   ['x']"),
        ("{a:06.2f}", 1.5, "001.50"),
        ("{a:+,d}", 12345, "+12,345"),
        ("{a:=5}", 12, "   12"),
        ("{{{a}}}", "x", "{x}"),
        ("{a!s:>3}", 1, "  1"),
        ("{a!r}", "x", "'x'"),
        ("{a!a}", "ƒ", "'\\u0192'"),
        # an unset value suits any specification
        ("{a:>4d}", "", "    "),
        ("{a:04d}", "", "    "),
        ("{a:.2f}", Missing(), ""),
        ("{a:=5}", "", "     "),
        # h: a hyphen for nothing
        ("{a:h}", "", "-"),
        ("{a:h}", 0.0, "-"),
        ("{a:h}", 0, "0"),
        ("{a:h}", Missing(), "-"),
        ("{a:h}", "0:00:00", "-"),
        ("{a:>4h}", "", "   -"),
        ("{a:>4h}", 12, "  12"),
        ("{a:.2h}", 1.25, "1."),
        # +: the mark of a text cut short
        ("{a:.3+}", "abcd", "ab+"),
        ("{a:.4+}", "abcd", "abcd"),
        ("{a:<5.3+}", "abcdef", "abc +"),
        ("{a:<3.3h+}", "abcd", "ab+"),
        ("{a:<3.3h+}", "", "-  "),
    ],
)
def test_specifications(text: str, value: object, expected: str) -> None:
    assert expected == show(text, value)


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("{a!D}", MOMENT, "2023-11-14T17:13:20"),
        ("{a!D}", 0.0, ""),
        ("{a!D}", "", ""),
        ("{a!D:h}", 0.0, "-"),
        ("{a!d}", MOMENT, "2023-11-14T17:13:20"),
        ("{a!d:%b%d %R}", MOMENT, "Nov14 17:13"),
        ("{a!d:%b%d %R::>12}", MOMENT, " Nov14 17:13"),
        ("{a!d:%b%d %R::=^20}", MOMENT, "====Nov14 17:13====="),
        ("{a!d:%R::<3.3+}", MOMENT, "17+"),
        ("{a!d:%R::h}", MOMENT, "17:13"),
        ("{a!d:%R}", 0.0, ""),
        ("{a!d:%R::>6h}", 0.0, "     -"),
        ("{a!d:%R::>6h}", Missing(), "     -"),
        ("{a!F}", 0.0, "0s"),
        ("{a!F}", 90.0, "1.5m"),
        ("{a!F}", "", ""),
        ("{a!F:h}", 0.0, "-"),
        ("{a!F:>6h}", 90.0, "  1.5m"),
        ("{a!H}", 0.0, "0:00:00"),
        ("{a!H}", 0.1, "0:00:01"),
        ("{a!H}", 90.6, "0:01:31"),
        ("{a!H}", 90000.0, "1 day, 1:00:00"),
        ("{a!H:h}", 0.0, "-"),
        ("{a!H}", Missing(), ""),
        ("{a!P}", 0.5, "50%"),
        ("{a!P}", 0.015, "1.5%"),
        ("{a!P}", 0.0005, "0.05%"),
        ("{a!P}", 1, "100%"),
        ("{a!P}", "", ""),
    ],
)
def test_conversions(text: str, value: object, expected: str) -> None:
    assert expected == show(text, value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{a} {b}", "A LONGER"),
        ("{a:>4}|{b:.2}", "   A|LONGER"),
        ("{b:>2}", "LONGER"),
        ("{a:*^5.2f}", "  A  "),
        ("{a:=5}", "A    "),
        ("{t!d:%b%d %R::>12h}", "        TIME"),
        ("{t!d:%b%d %R}", "TIME"),
        ("{d.e!F:<8h} end", "DOTTED   end"),
        ("sort:a,-b {a}", "A"),
        ("sort:a{a}", "A"),
        ("?:{b} {a}", " A"),
        ("x +:{b:>8}", "x   LONGER"),
        ("no field", "no field"),
    ],
)
def test_headers(text: str, expected: str) -> None:
    assert [expected] == list(parse(text).lines([]))


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("{b} ?:{a:>3}.", ("", 0.0), ["LONGER.", "0.", "1."]),
        ("{b} ?:{a:>3}.", ("", "x"), ["LONGER   A.", "0    .", "1   x."]),
        ("{b} ?:{a!F:>3h}.", (0.0, 0.0), ["LONGER.", "0.", "1."]),
        ("{b} ?:{a:>2}.", ("xyz", ""), ["LONGER  A.", "0 xyz.", "1   ."]),
        ("{b} +:{a:>3}.", ("", ""), ["LONGER   A.", "0    .", "1    ."]),
        ("{b} +:{a:<2.2}.", ("xyz", "x"), ["LONGER A  .", "0 xyz.", "1 x  ."]),
        ("{b} +:{a:.2f}.", (1.5, 22.25), ["LONGER A    .", "0  1.50.", "1 22.25."]),
        ("{b} ?+:{a}.", ("", ""), ["LONGER.", "0.", "1."]),
        ("{b} ?+:{a:>1}.", ("xyz", ""), ["LONGER   A.", "0 xyz.", "1    ."]),
        ("{b} +:{a!d:%R::>2}.", (MOMENT, 0), ["LONGER     A.", "0 17:13.", "1      ."]),
    ],
)
def test_columns_fit_what_is_in_them(
    text: str, values: tuple[object, ...], expected: list[str]
) -> None:
    assert expected == table(text, *values)


def test_heading_widens_only_when_shown() -> None:
    assert table("+:{b} x", 1, 2) == ["LONGER x", "     0 x", "     1 x"]
    assert table("+:{b} x", 1, 2, header=False) == ["0 x", "1 x"]


def test_blank_lines_are_left_out() -> None:
    assert table("{a}", "x", "", "  ", "y") == ["A", "x", "y"]


def test_lines_are_cut_to_the_width() -> None:
    lines = parse("{a:<6}{b}").lines([{"a": "x", "b": "12"}, {"a": "x", "b": "1234"}], width=8)
    assert list(lines) == ["A     L+", "x     12", "x     1+"]


def test_rows_are_taken_one_by_one_if_nothing_needs_all_of_them() -> None:
    taken = []

    def rows() -> Iterator[dict[str, int]]:
        for number in range(3):
            taken.append(number)
            yield {"a": number}

    lines = parse("{a}").lines(rows())
    assert [next(lines), next(lines)] == ["A", "0"]
    assert taken == [0]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("a,b", "1 2 5 3 4 7 0 6"),
        ("-a,b", "0 6 4 7 3 1 2 5"),
        ("-a,-b", "6 0 7 4 3 5 2 1"),
        ("-b", "7 6 5 4 3 2 1 0"),
        (" a , ,b,", "1 2 5 3 4 7 0 6"),
    ],
)
def test_sorting(keys: str, expected: str) -> None:
    values = ("x", "", None, 9, "10", "-", "x", 10.0)
    lines = table("{b} ", *values, header=False, sort=keys)
    assert expected == "".join(lines).strip()
    in_format = table(f"sort:{keys.replace(' ', '')} {{b}} ", *values, header=False)
    assert expected == "".join(in_format).strip()


def test_missing_annotations_sort_as_text() -> None:
    assert table("{b}", Missing(), 5, "x", header=False, sort="a") == ["1", "0", "2"]


def test_sort_argument_goes_before_the_prefix() -> None:
    assert table("sort:b {b}", 1, 2, header=False, sort="-b") == ["1", "0"]


def test_large_numbers_are_not_rounded_to_sort() -> None:
    values = (2**60 + 1, 2**60, 2**60 + 2)
    assert table("{b}", *values, header=False, sort="a") == ["1", "0", "2"]


@given(
    st.lists(st.none() | st.integers() | st.text(max_size=3) | st.sampled_from(["nan", True]))
)
def test_any_mix_of_values_can_be_sorted(values: list[object]) -> None:
    forward = table("{b}", *values, header=False, sort="a,b")
    backward = table("{b}", *values, header=False, sort="-a,-b")
    assert sorted(map(str, range(len(values)))) == sorted(forward)
    assert forward == backward[::-1]


def test_names_of_fields_and_sort_keys() -> None:
    assert parse("sort:t x{a}?:{d.e:h}{a!F} y").names == ["a", "d.e", "a", "t"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{a", "expected '}' before end of string"),
        ("a}", "Single '}' encountered in format string"),
        ("{}", "Unknown format field: "),
        ("{nosuch}", "Unknown format field: nosuch"),
        ("{a!x}", "Unknown conversion '!x' in {a}"),
        ("{a:garbage}", "Invalid format specifier 'garbage'"),
        ("{a:>8dh}", "Invalid format specifier '>8dh'"),
        ("{a!d:%R::q}", "Invalid format specifier 'q'"),
        ("{a:100000}", "Invalid format specifier '100000'"),
        ("{a:{b}}", "Invalid format specifier '{b}'"),
    ],
)
def test_mistakes_in_a_format(text: str, expected: str) -> None:
    with pytest.raises(ValueError, match="Error in user format: ") as caught:
        parse(text)
    assert f"Error in user format: {expected}" == str(caught.value)


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("{a:d}", "x", "-"),
        ("{a:>5d}", "x", "    -"),
        ("{a:=+5.1f}", "x", "-    "),
        ("{a!F}", "x", "-"),
        ("{a!F:<4h}", [1], "-   "),
        ("{a!D}", 1e30, "-"),
        ("{a!d:%F::*^5}", 1e30, "**-**"),
        ("{a!H}", 1e300, "-"),
        ("{a!P}", {}, "-"),
        ("{a:x}", 1.5, "-"),
        ("{a:c}", -1, "-"),
        ("+:{a!H}", "x", "-"),
    ],
)
def test_a_value_that_does_not_suit_is_a_hyphen(
    text: str, value: object, expected: str
) -> None:
    assert expected == show(text, value)


class Raising:
    """A row with a field that cannot be computed."""

    def __getitem__(self, name: str) -> object:
        if name == "a":
            raise OverflowError("out of range")
        return "fine"


def test_a_field_that_cannot_be_computed_is_a_hyphen() -> None:
    lines = parse("{b} {a:>3} {a!D}", sort="a,b").lines([Raising()], header=False)
    assert ["fine   - -"] == list(lines)


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("{a}", "x\ny", r"x\ny"),
        ("{a:.4+}", "ab\x1b[2J", "ab\\+"),
        ("{a:>9}", "x\x7f", r"  x\u007f"),
        ("{a}", "\u202ex\u2028\udc80", r"\u202ex\u2028\udc80"),
        ("{a:c}", 10, r"\n"),
        ("\t{a!d:%F\t%R}", MOMENT, "\t2023-11-14\t17:13"),
        ("{a!d:%R%z}", MOMENT, "17:13-0500"),
        ("{a!d:%R %Z}", MOMENT, "17:13 EST"),
    ],
)
def test_texts_of_others_are_harmless(text: str, value: object, expected: str) -> None:
    assert expected == show(text, value)


def test_lines_come_with_their_rows() -> None:
    rows = [{"a": 2}, {"a": ""}, {"a": 1}]
    found = list(parse("{a}").lines_and_rows(rows))
    assert [("A", None), ("2", rows[0]), ("1", rows[2])] == found


@pytest.mark.parametrize("text", ["sort:nosuch {a}", "sort:a,-nosuch{a}"])
def test_mistakes_in_sort_keys(text: str) -> None:
    with pytest.raises(ValueError, match="Invalid sort key: nosuch"):
        parse(text)


@given(st.text("{}ab!d:>+?h.1 DFH%%R", max_size=12))
def test_a_format_is_understood_or_refused_in_one_line(text: str) -> None:
    try:
        lines = table(text, 1.5, "")
    except ValueError as error:
        message = str(error)
        assert message.startswith("Error in user format: ")
        assert "\n" not in message
    else:
        assert lines


_VALUES = st.one_of(
    st.sampled_from(("", "-", "x", 0, 1, True, False, 0.0, -0.0, 1.0, 61.5, None, 10**30)),
    st.text(max_size=3),
    st.integers(),
)
_FORMATS = ("{a:>5}", "{a!F}", "{a!H:>9}", "{a:.2+}", "{a:5h}", "{a!r}", "{a!d:%H}", "{a:05d}")


@given(st.lists(_VALUES, max_size=30), st.sampled_from(_FORMATS))
def test_a_cell_does_not_depend_on_those_above_it(values: list[object], text: str) -> None:
    alone = [show(text, value) for value in values]
    rows = [{"a": value} for value in values for _ in range(2)]
    lines = list(parse(f"|{text}|").lines(rows, header=False))
    assert lines == [f"|{cell}|" for cell in alone for _ in range(2)]


def test_more_values_than_are_remembered() -> None:
    values = [*range(3000), *range(3000)]
    assert table("{a:>6}", *values, header=False) == [f"{value:>6}" for value in values]

# SPDX-License-Identifier: LGPL-3.0
"""Idsets (RFC 22): literal cases as libidset has them, and agreement with Python's sets."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projections.formats import idset
from projections.formats.idset import IdsetError, Ranges
from tests.support.processes.memory import peak_memory

GREATEST = 2**31 - 1
TOO_GREAT = "set universe size would exceed maximum"

members = st.sets(st.integers(0, 60), max_size=30)


def ranges_of(ids: set[int]) -> Ranges:
    return idset.union(*(((i, i),) for i in ids))


def ids_of(ranges: Ranges) -> set[int]:
    return {i for lo, hi in ranges for i in range(lo, hi + 1)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("[]", ()),
        (",", ()),
        ("0", ((0, 0),)),
        ("[0]", ((0, 0),)),
        ("2", ((2, 2),)),
        ("7-9", ((7, 9),)),
        ("[1,7-9,16]", ((1, 1), (7, 9), (16, 16))),
        ("2,3,4,5", ((2, 5),)),
        ("1,3,5-6", ((1, 1), (3, 3), (5, 6))),
        ("0-3,4-7", ((0, 7),)),
        (",,1,,2,", ((1, 2),)),
        ("1048576", ((1048576, 1048576),)),
        (f"0-{GREATEST}", ((0, GREATEST),)),
        # Ids are reduced to 32 bits, before or after their order is looked at.
        ("4294967296", ((0, 0),)),
        ("4294967301-7", ((5, 7),)),
        ("5-4294967297", ((1, 5),)),
        ("5-4294967297,3", ((1, 5),)),
        ("18446744069414584320", ((0, 0),)),
    ],
)
def test_decode(text: str, expected: Ranges) -> None:
    assert expected == idset.decode(text)


@pytest.mark.parametrize(
    ("text", "item"),
    [
        ("x", "x"),
        ("4.2", "4.2"),
        ("1-2x", "1-2x"),
        ("1x-2", "1x-2"),
        ("01,2", "01"),
        ("00", "00"),
        ("0-01", "0-01"),
        ("3-0", "3-0"),
        ("3-3", "3-3"),
        ("0-", "0-"),
        ("[0-]", "0-"),
        ("-5", "-5"),
        ("1-2-3", "1-2-3"),
        (" 1", " 1"),
        ("1 ", "1 "),
        ("1, 2", " 2"),
        ("1\n", "1\n"),
        ("+1", "+1"),
        ("²", "²"),
        ("18446744073709551616", "18446744073709551616"),
        ("0-18446744073709551616", "0-18446744073709551616"),
        ("9" * 130, "9" * 130),
    ],
)
def test_unparsable_item(text: str, item: str) -> None:
    with pytest.raises(IdsetError) as caught:
        idset.decode(text)
    assert f"error parsing range '{item}'" == str(caught.value)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("3,2", "range '2' is out of order"),
        ("2,2", "range '2' is out of order"),
        ("1-5,5-6", "range '5-6' is out of order"),
        ("1,4294967296", "range '4294967296' is out of order"),
        ("[0", "mismatched or nested brackets"),
        ("0]", "mismatched or nested brackets"),
        ("[", "mismatched or nested brackets"),
        ("][", "mismatched or nested brackets"),
        ("[[0]]", "mismatched or nested brackets"),
        ("0,[2]", "mismatched or nested brackets"),
        ("[0],[2]", "mismatched or nested brackets"),
        (" [0]", "mismatched or nested brackets"),
        ("x]", "mismatched or nested brackets"),
        ("2147483648", f"error appending '2147483648': {TOO_GREAT}"),
        ("0-2147483648", f"error appending '0-2147483648': {TOO_GREAT}"),
        ("4294967293", f"error appending '4294967293': {TOO_GREAT}"),
        ("3000000000-4294967301", f"error appending '3000000000-4294967301': {TOO_GREAT}"),
        ("4294967294", "error appending '4294967294': Invalid argument"),
        ("0-4294967295", "error appending '0-4294967295': Invalid argument"),
        ("18446744073709551615", "error appending '18446744073709551615': Invalid argument"),
    ],
)
def test_error_text(text: str, error: str) -> None:
    with pytest.raises(IdsetError) as caught:
        idset.decode(text)
    assert error == str(caught.value)


@pytest.mark.parametrize(
    ("item", "error"),
    [
        # The words before the item are 21 bytes, and 159 are kept in all.
        ("x" * 136, "error parsing range '" + "x" * 136 + "'"),
        ("x" * 138, "error parsing range '" + "x" * 138),
        ("x" * 139, "error parsing range '" + "x" * 137 + "+"),
        ("x" * 500, "error parsing range '" + "x" * 137 + "+"),
        ("é" * 70, "error parsing range '" + "é" * 68 + "\N{REPLACEMENT CHARACTER}+"),
    ],
)
def test_long_error_text_is_cut(item: str, error: str) -> None:
    with pytest.raises(IdsetError) as caught:
        idset.decode(item)
    assert error == str(caught.value)


@pytest.mark.parametrize(
    ("ranges", "with_brackets", "without"),
    [
        ((), "", ""),
        (((5, 5),), "5", "5"),
        (((7, 9),), "[7-9]", "7-9"),
        (((7, 8),), "[7-8]", "7-8"),
        (((1, 1), (3, 3)), "[1,3]", "1,3"),
        (((1, 3), (7, 9), (14, 14)), "[1-3,7-9,14]", "1-3,7-9,14"),
    ],
)
def test_encode(ranges: Ranges, with_brackets: str, without: str) -> None:
    assert with_brackets == idset.encode(ranges)
    assert without == idset.encode(ranges, brackets=False)


def test_texts_of_one_set_may_overlap() -> None:
    sets = map(idset.decode, ("3-9", "0-5", "4"))
    assert idset.decode("0-9") == idset.union(*sets)
    # A range within another one, behind a third.
    assert idset.decode("0-1,5-10") == idset.union(
        idset.decode("0-1,5-10"), idset.decode("6-7")
    )


def test_the_ids_of_ranges_are_in_the_set() -> None:
    ranges = ((1, 3), (5, 5), (7, 8))
    assert [1, 2, 3, 5, 7, 8] == [i for i in range(-1, 10) if idset.contains(ranges, i)]
    assert not idset.contains((), 0)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((), (), False),
        ((), ((0, 5),), False),
        (((0, 5),), ((0, 5),), True),
        (((0, 5),), ((3, 3),), True),
        (((0, 3),), ((3, 5),), True),
        (((0, 2),), ((3, 5),), False),
        (((0, 1), (4, 6)), ((2, 3), (6, 9)), True),
        (((0, 1), (4, 6)), ((2, 3), (7, 9)), False),
    ],
)
def test_ranges_that_overlap(a: Ranges, b: Ranges, expected: bool) -> None:
    assert expected is idset.intersects(a, b) is idset.intersects(b, a)


def test_no_range_is_passed_over() -> None:
    """Each of many ranges may be the one that two sets share."""
    evens = tuple((n, n) for n in range(0, 20, 2))
    for lo, hi in evens:
        assert idset.intersects(evens, ((lo, hi),))
        assert idset.intersects(((lo, hi),), evens)
        assert not idset.intersects(evens, ((lo + 1, hi + 1),))
        assert not idset.intersects(((lo + 1, hi + 1),), evens)


@settings(deadline=None)
@given(members, st.booleans())
def test_text_round_trip(ids: set[int], brackets: bool) -> None:
    ranges = ranges_of(ids)
    assert ids == ids_of(ranges)
    assert ranges == idset.decode(idset.encode(ranges, brackets=brackets))


@settings(deadline=None)
@given(members)
def test_uncoalesced_text_gives_the_same_set(ids: set[int]) -> None:
    assert ranges_of(ids) == idset.decode(",".join(map(str, sorted(ids))))


@settings(deadline=None)
@given(st.lists(members, max_size=4))
def test_union(sets: list[set[int]]) -> None:
    union = idset.union(*map(ranges_of, sets))
    assert set().union(*sets) == ids_of(union)
    assert all(a[1] + 1 < b[0] for a, b in pairwise(union))


@settings(deadline=None)
@given(members)
def test_count_and_contains(ids: set[int]) -> None:
    ranges = ranges_of(ids)
    assert len(ids) == idset.count(ranges)
    assert ids == {i for i in range(-1, 63) if idset.contains(ranges, i)}


@settings(deadline=None)
@given(members, members)
def test_intersects(a: set[int], b: set[int]) -> None:
    assert bool(a & b) == idset.intersects(ranges_of(a), ranges_of(b))


@settings(deadline=None)
@given(st.text("0123456789-,[] x", max_size=12))
def test_any_text_is_a_set_or_an_idset_error(text: str) -> None:
    try:
        ranges = idset.decode(text)
    except IdsetError:
        ranges = ()
    assert ranges == idset.decode(idset.encode(ranges))


def test_greatest_range_takes_no_memory() -> None:
    def work() -> None:
        everything = idset.union(idset.decode(f"0-{GREATEST}"), idset.decode("5-1000000000"))
        assert len(range(GREATEST + 1)) == idset.count(everything)
        assert idset.contains(everything, GREATEST)
        assert idset.intersects(everything, ((GREATEST, GREATEST),))

    assert peak_memory(work, runs=3) < 100_000

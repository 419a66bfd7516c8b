# SPDX-License-Identifier: LGPL-3.0
"""The caches of decoded texts: they are bounded, and a fold decodes each text once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.ingest.writer import Writer
from projections.formats import hostlist, idset
from projections.formats.caching import CachedByText, cached_by_text
from projections.job.resource_set import read_r
from projections.job.state import Job
from tests.support.journal_generator import journal
from tests.support.recordings import new_store

ENTRY = 64  # units that an entry takes besides its text


def counted(bound: int) -> tuple[CachedByText[int], list[str]]:
    """Return a cached `len`, and the texts that it was called with."""
    calls: list[str] = []

    @cached_by_text(bound)
    def length(text: str) -> int:
        """Return the length."""
        calls.append(text)
        return len(text)

    return length, calls


def test_a_text_is_looked_up_once() -> None:
    length, calls = counted(2**12)
    assert [2, 2, 0, 0] == [length("ab"), length("ab"), length(""), length("")]
    assert ["ab", ""] == calls
    assert length.__doc__ == "Return the length."


@pytest.mark.parametrize(("bound", "left"), [(65 * 99, 100), (65 * 99 - 1, 51)])
def test_the_bound_is_exact(bound: int, left: int) -> None:
    """99 texts of one character count 65 each: they reach the bound, or exceed it by one."""
    length, _ = counted(bound)
    for code in range(100):
        length(chr(0x4E00 + code))
    assert left == len(length)


def test_a_result_that_is_known_needs_no_call() -> None:
    length, calls = counted(2**12)
    length.keep("ab", 2)
    length.keep("ab", 3)  # the first one stays: both are results of one function
    assert 2 == length("ab")
    assert [] == calls


def test_an_error_is_not_cached() -> None:
    calls: list[str] = []

    @cached_by_text(2**12)
    def fail(text: str) -> int:
        calls.append(text)
        raise ValueError(text)

    for _ in range(2):
        with pytest.raises(ValueError, match="ab"):
            fail("ab")
    assert ["ab", "ab"] == calls


def test_long_texts_are_not_cached() -> None:
    length, calls = counted(64 * 100)
    for text in ("a" * 100, "a" * 101, "a" * 100, "a" * 101):
        length(text)
    assert ["a" * 100, "a" * 101, "a" * 101] == calls


def test_the_cache_is_bounded_and_keeps_the_newer_half() -> None:
    bound = 20 * (ENTRY + 3)
    length, calls = counted(bound)
    for number in range(100, 1000):
        length(str(number))
        assert len(length) <= 21
        before = len(calls)
        for recent in range(max(number - 9, 100), number + 1):
            length(str(recent))
        assert before == len(calls)
    assert 900 == len(calls) == len(set(calls))


def test_the_older_half_is_dropped_when_the_bound_is_exceeded() -> None:
    length, calls = counted(20 * (ENTRY + 3))
    texts = [str(number) for number in range(100, 122)]
    for text in texts[:21]:
        length(text)
    assert 21 == len(length)  # the last one exceeds the bound
    length(texts[21])
    assert 12 == len(length)
    before = len(calls)
    for text in texts[10:]:
        length(text)
    assert before == len(calls)
    length(texts[9])
    assert before + 1 == len(calls)


RANGES = st.sets(st.integers(0, 40), min_size=1).map(
    lambda ids: idset.encode(idset.union(*(((n, n),) for n in ids)), brackets=False)
)


@given(st.lists(RANGES, min_size=1, max_size=4))
def test_ranks_that_are_kept_are_those_of_their_text(ranks: list[str]) -> None:
    lite = ",".join(  # ranks may be in several entries, with other cores
        f'{{"rank":"{text}","children":{{"core":"{core}"}}}}' for core, text in enumerate(ranks)
    )
    job = Job(1, 1, 1, R=b'{"version":1,"execution":{"R_lite":[%b]}}' % lite.encode())
    read_r(job)
    assert job.ranks is not None
    assert idset.decode(job.ranks) == idset.decode.__wrapped__(job.ranks)  # type: ignore[attr-defined]


def test_a_fold_decodes_no_text_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[str] = []

    def counting(function: CachedByText[Any]) -> Callable[[str], Any]:
        def call(text: str) -> Any:
            decoded.append(text)
            return function.__wrapped__(text)  # type: ignore[attr-defined]

        return call

    for module in (idset, hostlist):  # as for lists that are not one range
        monkeypatch.setattr(module, "one_range", lambda _: None)
    for function in (idset.decode, hostlist.decode):
        monkeypatch.setattr(function, "_results", {})  # empty, whatever ran before
        monkeypatch.setattr(function, "_used", 0)
        monkeypatch.setattr(function, "_function", counting(function))
    store, views = new_store()
    Writer(store, "test", views).append(journal(200))
    texts = store.db.execute("SELECT ranks, nodelist FROM inactive").fetchall()
    assert len(texts) == 200
    assert len({nodelist for _, nodelist in texts} & set(decoded)) > 20
    assert len(decoded) == len(set(decoded))
    bracketed = {ranks for ranks, _ in texts if ranks is not None and "[" in ranks}
    assert bracketed
    assert not bracketed & set(decoded)  # R has them without brackets

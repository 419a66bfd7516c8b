# SPDX-License-Identifier: LGPL-3.0
"""Ranks and hosts of a job are read once: many jobs run on the same ones.

What is remembered is bounded: texts of 2^20 characters, where each counts 64 more.
"""

from __future__ import annotations

from typing import Any

import pytest

from projections.constraints.evaluate import Matcher
from projections.constraints.tree import parse
from projections.formats import idset
from projections.job.state import Job

QUARTER = 2**18 - 64  # characters of a text, so that just four of them are remembered


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect the ranks that are read."""
    found: list[str] = []
    decode = idset.decode

    def noted(text: str) -> idset.Ranges:
        found.append(text)
        return decode(text)

    monkeypatch.setattr(idset, "decode", noted)
    return found


def matcher(constraint: dict[str, Any], read: list[str]) -> Matcher:
    found = Matcher(parse(constraint))
    read.clear()  # the constraint's own ranks
    return found


def on(ranks: str) -> Job:
    return Job(1, 1, 1, ranks=ranks)


def test_the_same_ranks_are_read_once_and_compared_for_each_job(read: list[str]) -> None:
    asked = matcher({"ranks": ["1"]}, read)
    answers = [asked.matches(on(ranks)) for ranks in ("1", "2-3", "1", "2-3", "1")]
    assert [True, False, True, False, True] == answers
    assert 5 == asked.comparisons
    assert ["1", "2-3"] == read


def test_each_operator_remembers_its_own_answers(read: list[str]) -> None:
    asked = matcher({"or": [{"ranks": ["1"]}, {"ranks": ["2"]}, {"hostlist": ["2"]}]}, read)
    for _ in range(2):
        assert asked.matches(on("2"))
        assert not asked.matches(on("3"))
    assert ["2", "2", "3", "3"] == read


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("abcdabcd", "abcd"),
        ("abcDabc", "abcDabc"),
        ("abcdeabceabc", "abcdeabc"),
        ("abcdeabCe", "abcdeabCe"),
    ],
)
def test_what_is_too_much_is_forgotten(asked: str, expected: str, read: list[str]) -> None:
    """Each letter is a text; a capital one has one character more."""
    asking = matcher({"ranks": ["1"]}, read)
    for letter in asked:
        asking.matches(on(letter * (QUARTER + letter.isupper())))
    assert expected == "".join(text[0] for text in read)

# SPDX-License-Identifier: LGPL-3.0
"""Caches of answers are bounded by bytes, and give what is rendered anew."""

from __future__ import annotations

import json
from itertools import permutations

import pytest

from eventstore.ingest.writer import Writer
from joblist.config import Config
from joblist.service import Service
from projections.job.packing import packed
from projections.job.state import INACTIVE, Job
from projections.queries import list_jobs, render
from projections.queries.render import PackedCache, RecentTexts, Renderer, UnknownAttributeError
from tests.support.field_jobs import job as field_job
from tests.support.recordings import ask, new_store

ATTRIBUTES = ["name", "state", "result", "t_submit", "urgency", "queue"]


def job(number: int, name: str) -> Job:
    return Job(number, number, 1, name=name, state=INACTIVE, submit_version=1)


@pytest.fixture
def recent(monkeypatch: pytest.MonkeyPatch) -> RecentTexts:
    found = RecentTexts(2**18)
    monkeypatch.setattr(render, "RECENT", found)
    return found


def _bytes(recent: RecentTexts) -> int:
    return sum(len(text) + len(values) for (_, _, values), text in recent._texts.items())


def test_texts_are_bounded_by_bytes_whatever_is_asked(recent: RecentTexts) -> None:
    jobs = [job(n, "x" * (n % 9) * 100) for n in range(200)]
    most = 0
    for attributes in permutations(ATTRIBUTES, 2):
        renderer = Renderer(attributes)
        for one in jobs:
            assert renderer.job(one) == Renderer(attributes).uncached(one.id, packed(one))
            assert _bytes(recent) <= recent.used <= 2**18
            most = max(most, recent.used)
    assert most > 2**17


def test_lists_of_attributes_are_counted(recent: RecentTexts) -> None:
    for attributes in permutations(ATTRIBUTES):
        for more in permutations(["ranks", "nodelist"]):
            Renderer([*attributes, *more])
    assert len(recent._numbers) <= 2**18 // 256
    one, other = Renderer(["name"]), Renderer(["state"])
    assert one.job(job(1, "a")) != other.job(job(1, "a"))


@pytest.mark.parametrize(("size", "kept"), [(200, 1), (1000, 0), (2**20, 0)])
def test_a_large_text_is_not_kept(recent: RecentTexts, size: int, kept: int) -> None:
    Renderer(["name"]).job(job(1, "x" * size))
    assert kept == len(recent._texts)


def test_a_text_is_rendered_once(recent: RecentTexts) -> None:
    one = job(1, "a")
    first = Renderer(["name"]).job(one)
    assert first is Renderer(["name"]).job(one)
    assert first is not Renderer(["state"]).job(one)


def test_of_a_long_list_the_first_texts_are_kept(
    recent: RecentTexts, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, views = new_store()
    Writer(store, "test", views).append([line for n in range(1, 9) for line in field_job(n)])
    request = '{"max_entries":0,"attrs":["all"]}'
    (whole,) = ask(Service(store, Config()), "list", request)
    assert (8, 8) == (len(json.loads(whole)["jobs"]), len(recent._texts))
    recent = RecentTexts(2**18)
    monkeypatch.setattr(render, "RECENT", recent)
    monkeypatch.setattr(list_jobs, "_CACHED", 3)
    assert [whole] == ask(Service(store, Config()), "list", request)
    assert [8, 7, 6] == [jobid >> 24 for _, jobid, _ in recent._texts]


def test_an_unknown_attribute_is_an_error_also_of_a_text_that_is_kept(
    recent: RecentTexts,
) -> None:
    one = job(1, "a")
    Renderer(["name"]).job(one)
    for render_it in (Renderer.text, Renderer.uncached):
        with pytest.raises(UnknownAttributeError, match="x is not a valid attribute"):
            render_it(Renderer(["name", "x"]), one.id, packed(one))
    assert 1 == len(recent._texts)


def test_packed_values_are_bounded_by_bytes() -> None:
    cache = PackedCache(10_000)
    jobs = [job(n, "x" * 1000) for n in range(20)]
    for _ in range(2):
        assert [packed(one) for one in jobs] == [cache(one) for one in jobs]
    assert 0 < len(cache) < 10
    assert cache.used <= 10_000
    small = [job(n, "y") for n in range(20)]
    assert [packed(one) for one in small] == [cache(one) for one in small]
    assert len(cache) == 20
    cache.forget_others([])
    assert len(cache) == 20  # few enough
    many = [job(n, "") for n in range(120)]
    big = PackedCache()
    for one in many:
        big(one)
    big.forget_others(many[:3])
    assert (3, 3) == (len(big), len({id(big(one)) for one in many[:3]}))
    assert big.used == sum(len(packed(one)) + 256 for one in many[:3])

# SPDX-License-Identifier: LGPL-3.0
"""The method in a module: who may ask by the site's setting, and that readers answer."""

from __future__ import annotations

from collections.abc import Iterator
from errno import EINVAL, ENODATA, ENOSYS, EPERM
from pathlib import Path
from typing import Any

import pytest

from eventstore.ingest.writer import Writer
from eventstore.storage.connection import create_or_open
from joblist.config import Config
from projections.engine.views import Views
from tests.support.fake_bus import SENTINEL, Module
from tests.support.journal_generator import journal

GUEST = {"userid": 42, "rolemask": 2}
COUNT = {"query": "SELECT count(*) AS n FROM jobs"}


def module(path: str, setting: str) -> Iterator[Module]:
    with create_or_open(path) as store:
        views = Views(store)
        Writer(store, "before", views).append(journal(20))
        made = Module(views, Config(sql=setting, private=True))
        made.feed(SENTINEL)
        made.bus.pass_time(1)
        yield made
        made.live.close()


@pytest.fixture
def users(tmp_path: Path) -> Iterator[Module]:
    yield from module(str(tmp_path / "jobs.sqlite"), "users")


@pytest.mark.parametrize(
    ("setting", "sender", "errno"),
    [("off", {}, ENOSYS), ("off", GUEST, ENOSYS), ("owner", GUEST, EPERM)],
)
def test_a_site_decides_who_may_ask(
    tmp_path: Path, setting: str, sender: dict[str, Any], errno: int
) -> None:
    for made in module(str(tmp_path / "jobs.sqlite"), setting):
        assert made.answer("sql", COUNT, **sender)[0] == errno
        assert not made.bus.watchers  # and no process was started for it


def test_a_database_in_memory_has_no_readers() -> None:
    for made in module(":memory:", "users"):
        assert made.answer("sql", COUNT)[0] == ENOSYS


def test_readers_answer(users: Module) -> None:
    assert users.answer("sql", COUNT) == {"columns": ["n"], "rows": [[20]]}
    assert users.answer("sql", COUNT, **GUEST) == {"columns": ["n"], "rows": [[0]]}
    errno, text = users.answer("sql", {"query": "SELECT * FROM inactive"}, **GUEST)
    assert (errno, text) == (EINVAL, "no such table: inactive")
    asked = users.ask("sql", {"query": "SELECT rank FROM ranks('0-499')"}, streaming=True)
    users.bus.pass_time(1)
    *parts, end = users.answers(asked)
    assert [row for part in parts for row in part["rows"]] == [[rank] for rank in range(500)]
    assert end == (ENODATA, None)

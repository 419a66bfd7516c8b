# SPDX-License-Identifier: LGPL-3.0
"""The method ``job-list.sql``: its payloads, what is refused, who may ask and sees what."""

from __future__ import annotations

import json
from collections.abc import Iterator
from errno import EINVAL, EPROTO
from typing import Any

import pytest

from eventstore.storage.connection import Store
from joblist.config import Config, ConfigError, from_tables
from joblist.protocol.errors import RpcError
from joblist.protocol.requests import Credential
from joblist.service import Request, Service
from joblist.sql.method import TOPIC, sql_answer
from tests.joblist.sql.guests import OTHER, OWN, history

OWNER, GUEST = Credential(0, 1), Credential(OWN, 2)


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    made = history(20, 10)
    yield made
    made.close()


def ask(
    store: Store,
    request: Any,
    sender: Credential = GUEST,
    *,
    streaming: bool = False,
    **config: Any,
) -> list[dict[str, Any]]:
    text = request if isinstance(request, bytes) else json.dumps(request).encode()
    service = Service(store, Config(**config))
    found = sql_answer(
        service, store.db, Request(TOPIC, text, sender, streaming), lambda: False
    )
    return [json.loads(payload) for payload in found if payload]


USERS = "SELECT userid, count(*) AS n FROM jobs GROUP BY 1 ORDER BY 1"


@pytest.mark.parametrize(
    ("sender", "private", "seen"),
    [
        (OWNER, True, {OWN, OTHER}), (Credential(7, 2 | 8), True, {OWN, OTHER}),
        (GUEST, True, {OWN}), (GUEST, False, {OWN, OTHER}), (Credential(7, 2), True, set()),
        (Credential(2**32 - 1, 2), True, set()),
    ],
)  # fmt: skip
def test_who_sees_whose_jobs(
    store: Store, sender: Credential, private: bool, seen: set[int]
) -> None:
    (answer,) = ask(store, {"query": USERS}, sender, private=private)
    assert answer["columns"] == ["userid", "n"]
    assert {userid for userid, _ in answer["rows"]} == seen


def test_events_are_shown_to_owners(store: Store) -> None:
    query = {"query": "SELECT count(DISTINCT jobid) FROM events"}
    assert ask(store, query, OWNER)[0]["rows"] == [[30]]
    assert ask(store, query, GUEST)[0]["rows"] == [[20]]


def test_purged_jobs_are_seen_as_in_lists(store: Store) -> None:
    store.db.execute("SAVEPOINT purge; UPDATE inactive SET t_purged = 5.0 WHERE job = 4")
    query = {"query": "SELECT (SELECT count(*) FROM jobs), count(DISTINCT jobid) FROM events"}
    kept = ask(store, query, OWNER)[0]["rows"]
    followed = ask(store, query, OWNER, follow_purges=True)[0]["rows"]
    store.db.execute("ROLLBACK TO purge; RELEASE purge")
    assert (kept, followed) == ([[30, 30]], [[29, 29]])


def test_rows_are_bounded_and_streamed(store: Store) -> None:
    query = {"query": "SELECT rank, x'00ff', 1e999, NULL FROM ranks('0-999')", "max_rows": 450}
    (answer,) = ask(store, query)
    assert answer["rows"] == [[rank, "00ff", None, None] for rank in range(450)]
    assert answer["truncated"] is True
    parts = ask(store, query, streaming=True)
    assert len(parts) > 2
    assert [row for part in parts for row in part["rows"]] == answer["rows"]
    assert [part.get("truncated", False) for part in parts] == [False] * (len(parts) - 1) + [
        True
    ]
    (whole,) = ask(store, {**query, "max_rows": 1000})
    assert "truncated" not in whole
    (none,) = ask(store, {"query": "SELECT 1 AS x WHERE 0"})
    assert none == {"columns": ["x"], "rows": []}


@pytest.mark.parametrize(
    ("request_", "errno", "words"),
    [
        ({"query": "SELECT * FROM inactive"}, EINVAL, "no such table: inactive"),
        ({"query": 5}, EPROTO, "invalid payload"),
        ({}, EPROTO, "invalid payload"),
        (b"[", EPROTO, "invalid payload"),
        ({"query": "SELECT 1", "max_rows": -1}, EPROTO, "max_rows < 0 not allowed"),
    ],
)
def test_what_is_refused(store: Store, request_: Any, errno: int, words: str) -> None:
    with pytest.raises(RpcError, match=words) as raised:
        ask(store, request_)
    assert raised.value.errno == errno


def test_the_setting() -> None:
    assert from_tables({}).sql == "off"
    assert from_tables({"job-list": {"sql": "users"}}).sql == "users"
    with pytest.raises(
        ConfigError, match=r"job-list\.sql is 'all'; expected one of off, owner, users"
    ):
        from_tables({"job-list": {"sql": "all"}})

# SPDX-License-Identifier: LGPL-3.0
"""A database is one cluster's: its name is given once, and can be that of a folder."""

from __future__ import annotations

import pytest

from eventstore.errors import StoreError
from eventstore.ingest.writer import name_cluster
from eventstore.reading.cluster import check_name, cluster, is_new
from eventstore.storage.connection import create_or_open


@pytest.mark.parametrize("name", ["a", "El-Capitan", "tuo.2", "x_1", "9" * 64])
def test_a_name_of_a_folder_is_one_of_a_cluster(name: str) -> None:
    assert name == check_name(name)


@pytest.mark.parametrize(
    "name", ["", ".", "../x", "a/b", "a b", "-a", "\u00e9", "a\n", "9" * 65]
)
def test_any_other_is_refused(name: str) -> None:
    with pytest.raises(StoreError, match="no name of a cluster"):
        check_name(name)


def test_a_name_is_given_once() -> None:
    with create_or_open(":memory:") as store:
        assert cluster(store.db) is None
        assert is_new(store.db, "jobs.sqlite", "tuo")
        name_cluster(store, "tuo")
        assert "tuo" == cluster(store.db)
        assert not is_new(store.db, "jobs.sqlite", "tuo")
        name_cluster(store, "tuo")
        with pytest.raises(StoreError, match="its cluster is tuo, not el-cap"):
            name_cluster(store, "el-cap")
        with pytest.raises(StoreError, match="no name of a cluster"):
            is_new(store.db, "jobs.sqlite", "../tuo")

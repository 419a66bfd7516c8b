# SPDX-License-Identifier: LGPL-3.0
"""Questions for one job by its id, where several jobs have it, and where jobs were purged."""

from __future__ import annotations

from eventstore.ingest.writer import Writer
from projections.job.state import Job
from projections.queries.list_jobs import unpurged
from projections.queries.one_job import newest, newest_is_purged
from projections.queries.store_counts import store_counts
from tests.support.recordings import new_store

FIRST, SECOND = 1000.0, 2000.0  # submissions of two jobs with one id: the KVS was empty again


def life(jobid: int, start: float, *names: str) -> bytes:
    """Return a backlog response: submit, then events of these names."""
    contexts = {
        "submit": '{"userid":7,"urgency":16,"flags":0,"version":1}',
        "exception": '{"type":"cancel","severity":0,"note":""}',
    }
    events = [
        f'{{"timestamp":{start + index},"name":"{name}"'
        + (f',"context":{contexts[name]}' if name in contexts else "")
        + "}"
        for index, name in enumerate(("submit", *names))
    ]
    return f'{{"id":{jobid},"events":[{",".join(events)}]}}'.encode()


ENDED = ("validate", "exception", "clean")


def test_the_newest_job_of_an_id_is_meant() -> None:
    store, views = new_store()
    writer = Writer(store, "test", views)
    writer.append([life(1, FIRST, *ENDED)])
    job, row = newest(store.db, 1)
    assert job is None
    assert row is not None
    assert (None, 7) == row[:2]
    writer.append([life(1, SECOND, "validate")])
    job, row = newest(store.db, 1)
    assert isinstance(job, Job)
    assert SECOND == job.t_submit
    assert row is None
    assert (None, None) == newest(store.db, 2)


def test_purged_jobs() -> None:
    store, views = new_store()
    writer = Writer(store, "test", views)
    writer.append([life(n, FIRST + 10 * n, *ENDED) for n in (1, 2, 3)])
    assert [1, 2, 3] == sorted(unpurged(store.db))
    writer.append([b'{"jobs":[1,3]}'])
    assert [2] == unpurged(store.db)
    assert [True, False, True, False] == [newest_is_purged(store.db, n) for n in (1, 2, 3, 4)]
    # Another job of the same id, which is not purged.
    writer.append([life(3, SECOND, *ENDED)])
    assert not newest_is_purged(store.db, 3)
    assert [2, 4] == sorted(unpurged(store.db))


def test_how_much_is_stored() -> None:
    store, views = new_store()
    counts = store_counts(store.db)
    assert (0, 0, None, None) == tuple(
        counts[name] for name in ("jobs", "events", "first_event", "last_event")
    )
    writer = Writer(store, "test", views)
    writer.append([life(1, SECOND, *ENDED), life(2, FIRST, "validate"), b"{", b'{"jobs":[1]}'])
    counts = store_counts(store.db)
    wanted = {"jobs": 2, "events": 6, "jobspecs": 0, "Rs": 0, "batches": 1, "rejects": 1,
              "purges": 1, "boots": 0, "sources": 1, "sources_unfinished": 1,
              "first_event": SECOND, "last_event": FIRST + 1}  # fmt: skip
    assert wanted == counts

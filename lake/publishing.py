# SPDX-License-Identifier: LGPL-3.0
"""Publishing to Kafka: what is stored behind a cursor, which moves once delivery was confirmed.

A message's key is ``CLUSTER/JOBID`` (of nodes: ``CLUSTER/``), so that a job's messages are in
one partition, in their order. Its headers have ``cluster`` and ``seq``: a message that comes
again, since a run was stopped before its cursor was saved, has the same two. Values are JSON
objects (docs/kafka.md).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import apsw
import confluent_kafka

from eventstore.errors import StoreError
from eventstore.events.records import Notice, Record
from eventstore.reading import event_log
from eventstore.storage.connection import Store
from eventstore.storage.sql import fetch, statements
from projections.engine.consumer_cursor import Consumer, Unread

SQL = statements(__file__)
VIEWS = ("events", "jobs", "nodes")
_TOGETHER = 2000  # seqs between two savings of the cursor
_PATIENCE = 0.2  # seconds between two looks at what was delivered


class Outgoing(NamedTuple):
    """A message before it is sent; ``seq`` is the store's."""

    seq: int
    key: str
    value: bytes


class Publisher:
    """Sends to a topic. ``config`` is librdkafka's, beside what makes delivery certain."""

    def __init__(self, servers: str, topic: str, config: Mapping[str, str]) -> None:
        self._topic = topic
        self._failed: list[str] = []
        try:
            self._producer = confluent_kafka.Producer({
                "linger.ms": 20, "compression.type": "zstd", **config,
                "bootstrap.servers": servers, "enable.idempotence": True, "acks": "all",
                "message.timeout.ms": 0,  # a broker that is away is waited for
            })  # fmt: skip
        except (confluent_kafka.KafkaException, TypeError, ValueError) as error:
            raise StoreError(f"--kafka: {error}; see librdkafka's CONFIGURATION.md") from error

    def send(self, cluster: str, messages: Sequence[Outgoing]) -> None:
        """Send messages, and wait until all of them were confirmed.

        Raises StoreError where one was refused.
        """
        for message in messages:
            headers: list[tuple[str, str | bytes | None]] = [
                ("cluster", cluster), ("seq", str(message.seq))
            ]  # fmt: skip
            while True:
                try:
                    self._producer.produce(
                        self._topic, message.value, message.key, headers=headers,
                        on_delivery=self._delivered,
                    )  # fmt: skip
                    break
                except BufferError:  # the queue is full: brokers are slow, or away
                    self._producer.poll(_PATIENCE)
            self._producer.poll(0)
        while self._producer.flush(_PATIENCE):
            self._check()
        self._check()

    def _delivered(self, error: confluent_kafka.KafkaError | None, _: object) -> None:
        if error is not None:
            self._failed.append(str(error))

    def _check(self) -> None:
        if self._failed:
            raise StoreError(
                f"topic {self._topic}: {self._failed[0]}; nothing is lost: repeat it"
            )


def publish(
    store: Store, consumer: Consumer, publisher: Publisher, cluster: str, view: str
) -> int:
    """Publish what is new; returns how many messages. Raises StoreError."""
    count = 0
    while True:
        with store.snapshot() as db:  # not held while brokers are waited for
            unread = next(consumer.unread_batches(db, _TOGETHER), None)
            found = [] if unread is None else list(_MESSAGES[view](db, cluster, unread))
        if unread is None:
            return count
        publisher.send(cluster, found)
        consumer.done(unread.end)
        count += len(found)


def _events(db: apsw.Connection, cluster: str, unread: Unread) -> Iterator[Outgoing]:
    for record in event_log.records(db, unread.after, unread.upto):
        if isinstance(record, Record):
            members = {"cluster": cluster, "seq": record.seq, "jobid": record.jobid}
            texts = {"event": record.entry.data, "jobspec": record.jobspec, "R": record.R}
            value = _object(members, texts)
            yield Outgoing(record.seq, f"{cluster}/{record.jobid}", value)


def _nodes(db: apsw.Connection, cluster: str, unread: Unread) -> Iterator[Outgoing]:
    for record in event_log.records(db, unread.after, unread.upto):
        if isinstance(record, Notice) and record.kind == "resource":
            members = {"cluster": cluster, "seq": record.seq}
            value = _object(members, {"event": record.data})
            yield Outgoing(record.seq, f"{cluster}/", value)


def _jobs(db: apsw.Connection, cluster: str, unread: Unread) -> Iterator[Outgoing]:
    """Yield the finished jobs of which something is new, with the seq of the newest of it."""
    names = [row[1] for row in fetch(db, "PRAGMA table_info(jobs)")]
    bounds = (unread.after, unread.upto) * 2
    for seq, *row in db.execute(SQL["jobs"], bounds):
        members = {"cluster": cluster, "seq": seq, **dict(zip(names, row, strict=True))}
        yield Outgoing(seq, f"{cluster}/{members['id']}", _object(members, {}))


_MESSAGES = {"events": _events, "jobs": _jobs, "nodes": _nodes}


def _object(members: Mapping[str, Any], texts: Mapping[str, bytes | None]) -> bytes:
    """Return a JSON object of members, and of those whose JSON texts are kept as they are."""
    text = json.dumps(members, separators=(",", ":"), ensure_ascii=False)[:-1].encode()
    for name, data in texts.items():
        if data is not None:
            text += b',"%b":%b' % (name.encode(), data)
    return text + b"}"

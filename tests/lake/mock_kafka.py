# SPDX-License-Identifier: LGPL-3.0
"""Brokers in this process: the mock cluster of librdkafka, with faults on demand.

The library comes with confluent-kafka, which has no interface to its faults: ctypes calls it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import confluent_kafka

PRODUCE = 0
NOT_LEADER, TIMED_OUT, NOT_ENOUGH_REPLICAS = 6, 7, 19
"""Errors of Kafka's protocol that pass: the producer tries again."""
GONE = -195
"""In place of an answer, the broker closes the connection, as one that is restarted does."""


class Brokers:
    """Some brokers, of which a test can make fail what it likes."""

    def __init__(self, count: int) -> None:
        folder = Path(confluent_kafka.__file__).parent.parent / "confluent_kafka.libs"
        self._library = ctypes.CDLL(str(next(folder.glob("librdkafka*.so*"))))
        for name in ("conf_new", "new", "mock_cluster_new", "mock_cluster_bootstraps"):
            getattr(self._library, f"rd_kafka_{name}").restype = ctypes.c_void_p
        error = ctypes.create_string_buffer(500)
        conf = ctypes.c_void_p(self._call("conf_new"))
        self._handle = ctypes.c_void_p(self._call("new", 0, conf, error, 500))
        assert self._handle, error.value
        self._cluster = ctypes.c_void_p(self._call("mock_cluster_new", self._handle, count))

    @property
    def servers(self) -> str:
        """Where they are: HOST:PORT,..."""
        address = self._call("mock_cluster_bootstraps", self._cluster)
        return ctypes.string_at(address).decode()

    def fail(self, error: int, times: int) -> None:
        """Have the next requests to produce fail; those that were to, and did not, do not."""
        self._call("mock_clear_request_errors", self._cluster, ctypes.c_int16(PRODUCE))
        if times:
            self._call("mock_push_request_errors", self._cluster, ctypes.c_int16(PRODUCE),
                       ctypes.c_size_t(times), *[ctypes.c_int(error)] * times)  # fmt: skip

    def close(self) -> None:
        """End them."""
        self._call("mock_cluster_destroy", self._cluster)
        self._call("destroy", self._handle)

    def _call(self, name: str, *given: object) -> int:
        return getattr(self._library, f"rd_kafka_{name}")(*given)


@contextmanager
def brokers(count: int = 3) -> Iterator[Brokers]:
    """Run brokers."""
    found = Brokers(count)
    try:
        yield found
    finally:
        found.close()


def consumed(servers: str, topic: str) -> list[confluent_kafka.Message]:
    """Return all messages of a topic, from its beginning."""
    consumer = confluent_kafka.Consumer({
        "bootstrap.servers": servers, "group.id": f"test-{topic}",
        "auto.offset.reset": "earliest", "enable.partition.eof": True,
    })  # fmt: skip
    consumer.subscribe([topic])
    found, ended = [], set()
    partitions = len(consumer.list_topics(topic, timeout=10).topics[topic].partitions)
    while len(ended) < partitions:
        message = consumer.poll(10)
        assert message is not None, "nothing comes"
        error = message.error()
        if error is None:
            found.append(message)
        elif error.code() == confluent_kafka.KafkaError._PARTITION_EOF:
            ended.add(message.partition())
    consumer.close()
    return found

# SPDX-License-Identifier: LGPL-3.0
"""``flux-jobdb publish``."""

from __future__ import annotations

import time

import click

from cli.database import database_path, reading
from cli.options import db_option
from cli.output.streams import say

__all__ = ["command"]

_PAUSE = 1.0
"""Seconds between two looks, with --follow."""


@click.command(epilog="Example: flux-jobdb publish --kafka kafka:9092 --topic flux --follow")
@db_option
@click.option("--kafka", "servers", required=True, metavar="SERVERS",
              help="Brokers to begin with, HOST:PORT,HOST:PORT.")  # fmt: skip
@click.option("--topic", required=True, metavar="TOPIC", help="Where messages go.")
@click.option("--view", type=click.Choice(("events", "jobs", "nodes")), default="events",
              show_default=True, help="What is published.")  # fmt: skip
@click.option("--cluster", metavar="NAME", help="The cluster's name, if none is stored.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE",
              help="A setting of librdkafka; may be repeated.")  # fmt: skip
@click.option("--follow", is_flag=True, help="Go on as events come, until interrupted.")
def command(
    servers: str, topic: str, view: str, cluster: str | None, settings: tuple[str, ...],
    follow: bool,
) -> int:  # fmt: skip
    """Publish to Kafka what is new since the last time (extra `kafka`).

    Each message is confirmed by all replicas before the cursor moves, so that none is lost; one
    that comes twice has the same cluster and seq in its headers. Brokers that are away are
    waited for.
    """
    from eventstore.errors import StoreError  # noqa: PLC0415
    from eventstore.reading.cluster import cluster as name_of  # noqa: PLC0415
    from projections.engine.consumer_cursor import Consumer  # noqa: PLC0415

    try:
        from lake.publishing import Publisher, publish  # noqa: PLC0415
    except ImportError as error:
        if (error.name or "").split(".")[0] != "confluent_kafka":
            raise
        raise StoreError(
            "publish needs confluent-kafka: pip install 'flux-jobdb[kafka]'"
        ) from error
    pairs = [setting.partition("=") for setting in settings]
    if not all(sign for _, sign, _ in pairs):
        raise click.UsageError("--set: expected KEY=VALUE")
    consumer = Consumer(database_path(), f"kafka {servers} {topic} {view}")
    with consumer.held():
        publisher = Publisher(servers, topic, {key: value for key, _, value in pairs})
        total = 0
        try:
            while True:
                with reading() as store:
                    name = name_of(store.db) or cluster
                    if name is None or cluster not in {None, name}:
                        raise StoreError("name the database's cluster: --cluster NAME")
                    total += publish(store, consumer, publisher, name, view)
                if not follow:
                    break
                time.sleep(_PAUSE)
        except KeyboardInterrupt:
            if not follow:
                raise
    say(f"{topic}: {total} messages")
    return 0

# SPDX-License-Identifier: LGPL-3.0
"""From a connection to a running service, or to a recording of the journal."""

from __future__ import annotations

import signal
import syslog
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from errno import EINVAL, EIO

from eventstore.errors import JobdbError
from eventstore.ingest.counts import Counts
from eventstore.ingest.writer import name_cluster
from joblist.broker.instance import Instance
from joblist.broker.serving import Serving, source_name
from joblist.broker.settings import Settings
from joblist.config import ConfigError, from_tables
from joblist.journal.batches import Source
from joblist.journal.follower import Follower
from joblist.journal.resources import ResourceFollower
from projections.engine.views import Views


def run(instance: Instance, arguments: Sequence[str] = ()) -> None:
    """Answer requests until told to stop; raises OSError, with the reason in the log.

    ``arguments``: settings, each NAME=VALUE.
    """
    with _reported(instance):
        serving = Serving(instance, Settings(instance.tables, arguments))
        try:
            instance.on_signal(signal.SIGHUP, serving.reread)
            instance.listen(serving.handle)
            instance.purges(serving.take)
            serving.start()
            instance.run()
        finally:
            serving.close()


def record(instance: Instance, views: Views, boot: str | None = None) -> Counts:
    """Store what the journals say until that of jobs ends; returns what they brought.

    ``boot`` names the broker's boot if the instance's attribute is not to be used. Raises
    OSError, or StoreError if the store cannot take a source, or is another cluster's.
    """
    config = from_tables(instance.tables())
    if config.cluster is not None:
        name_cluster(views.store, config.cluster, views)
    source = Source(
        source_name(instance),
        boot or instance.attribute("broker.uuid"),
        lambda: [job.key for job in views.unfinished()],
        reconnect=False,
    )
    follower = Follower(instance, views.store, source, (views,))
    resources = ResourceFollower(instance, follower.take) if config.nodes else None
    try:
        instance.purges(follower.take)
        follower.start()
        if resources is not None:
            resources.start()
        instance.run()
    finally:
        if resources is not None:
            resources.stop()
        follower.close()
    return follower.total


@contextmanager
def _reported(instance: Instance) -> Iterator[None]:
    """Log what prevents the service, and turn it into an OSError that Flux understands."""
    try:
        yield
    except JobdbError as error:
        instance.log(syslog.LOG_ERR, str(error))
        errno = EINVAL if isinstance(error, ConfigError) else EIO
        raise OSError(errno, str(error)) from error

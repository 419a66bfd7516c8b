# SPDX-License-Identifier: LGPL-3.0
"""From a connection to a running service: opens the database, serves, and closes it."""

from __future__ import annotations

import signal
import syslog
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from errno import EINVAL, EIO

from eventstore.errors import JobdbError
from eventstore.ingest.counts import Counts
from eventstore.storage.connection import HURRIED, create_or_open
from joblist.broker.instance import Instance
from joblist.broker.settings import Settings, database
from joblist.config import Config, ConfigError
from joblist.journal.batches import Source
from joblist.journal.follower import Follower
from joblist.live.dispatcher import Live
from projections.engine.rebuild import refresh
from projections.engine.views import Views


def run(instance: Instance, arguments: Sequence[str] = ()) -> None:
    """Answer requests until told to stop; raises OSError, with the reason in the log.

    ``arguments``: settings, each NAME=VALUE.
    """
    with _reported(instance):
        settings = Settings(instance.tables, arguments)
        config = settings.now()
        path = database(config, instance.attribute)
        with create_or_open(
            path,
            synchronous=config.synchronous,
            patience=HURRIED,
            network=config.network_filesystem,
        ) as store:
            views = Views(store)
            if views.stale:
                # After an upgrade, it takes minutes to rebuild the views of a long history.
                # The instance's start must not wait for that.
                instance.loaded()
            names = refresh(views)
            if names:
                instance.log(syslog.LOG_NOTICE, f"{path}: rebuilt: {', '.join(names)}")
            _serve(instance, views, config, settings)


def _serve(instance: Instance, views: Views, config: Config, settings: Settings) -> None:
    live = Live(
        instance,
        views,
        config,
        name=_name(instance),
        boot=instance.attribute("broker.uuid") or "",
        size=int(instance.attribute("size") or 1),
        reread=settings.read,
    )
    try:
        instance.on_signal(signal.SIGHUP, lambda: _reread(instance, live, settings))
        instance.listen(live.handle)
        instance.purges(live.follower.take)
        live.start()
        instance.run()
    finally:
        live.close()


def _reread(instance: Instance, live: Live, settings: Settings) -> None:
    """Read the configuration again; if it is wrong, the settings stay as they are."""
    try:
        live.reconfigure(settings.now())
    except (JobdbError, OSError) as error:
        instance.log(syslog.LOG_ERR, f"the settings stay as they were: {error}")


def record(instance: Instance, views: Views, boot: str | None = None) -> Counts:
    """Store what the journal says until it ends, answering nothing; returns what it brought.

    ``boot`` names the broker's boot if the instance's attribute is not to be used. Raises
    OSError, or StoreError if the store cannot take a source.
    """
    source = Source(
        _name(instance),
        boot or instance.attribute("broker.uuid"),
        lambda: [job.key for job in views.unfinished()],
        reconnect=False,
    )
    follower = Follower(instance, views.store, source, (views,))
    try:
        instance.purges(follower.take)
        follower.start()
        instance.run()
    finally:
        follower.close()
    return follower.total


def _name(instance: Instance) -> str:
    return instance.attribute("local-uri") or "broker"


@contextmanager
def _reported(instance: Instance) -> Iterator[None]:
    """Log what prevents the service, and turn it into an OSError that Flux understands."""
    try:
        yield
    except JobdbError as error:
        instance.log(syslog.LOG_ERR, str(error))
        errno = EINVAL if isinstance(error, ConfigError) else EIO
        raise OSError(errno, str(error)) from error

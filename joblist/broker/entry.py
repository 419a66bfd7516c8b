# SPDX-License-Identifier: LGPL-3.0
"""From a connection to a service that answers: settings, the database, and the way out.

Where nothing is configured, the database is `jobdb.sqlite` in the instance's ``statedir``,
which outlives it, else in its ``rundir``, which does not.
"""

from __future__ import annotations

import os
import signal
import syslog
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from errno import EINVAL, EIO, EPROTO
from typing import Any, Protocol

import msgspec

from eventstore.errors import JobdbError
from eventstore.ingest.counts import Counts
from eventstore.storage.connection import create_or_open
from joblist.config import SETTINGS, Config, ConfigError, from_tables
from joblist.live.dispatcher import Live
from joblist.live.journal_follower import Follower, Source
from joblist.live.ports import Bus, Message
from joblist.protocol.errors import RpcError
from projections.engine.rebuild import refresh
from projections.engine.views import Views

FILE_NAME = "jobdb.sqlite"


class Instance(Bus, Protocol):
    """A bus that is connected to an instance."""

    def attribute(self, name: str) -> str | None:
        """Return a broker attribute, None where it is not set."""

    def tables(self) -> dict[str, Any]:
        """Return the instance's configuration."""

    def loaded(self) -> None:
        """Let whoever loads the module go on."""

    def listen(self, handle: Callable[[Message], None]) -> None:
        """Have ``handle`` called with each request."""

    def purges(self, arrived: Callable[[bytes], None]) -> None:
        """Have ``arrived`` called with the payload of each purge event."""

    def on_signal(self, number: int, callback: Callable[[], None]) -> None:
        """Have ``callback`` called when the process gets a signal."""

    def run(self) -> None:
        """Work until told to stop."""


class Settings:
    """Settings as Flux's tables have them; what was given as an argument goes before."""

    def __init__(self, instance: Instance, arguments: Sequence[str] = ()) -> None:
        self._instance = instance
        self._given = dict(_argument(argument) for argument in arguments)

    def now(self) -> Config:
        """Return the settings that are in force; raises ConfigError."""
        return self._of(self._instance.tables())

    def read(self, payload: bytes | None) -> Config:
        """Return the settings that a config-reload request brings.

        Raises ConfigError, or RpcError where it brings no configuration.
        """
        if payload is None:
            return self.now()
        try:
            tables = msgspec.json.decode(payload, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise RpcError(EPROTO) from error
        return self._of(tables)

    def _of(self, tables: Mapping[str, Any]) -> Config:
        own = tables.get("job-list", {})
        if self._given and isinstance(own, Mapping):
            tables = {**tables, "job-list": {**own, **self._given}}
        return from_tables(tables)


def _argument(text: str) -> tuple[str, object]:
    """Take apart an argument NAME=VALUE; numbers are numbers."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"argument {text!r} is not NAME=VALUE")
    if name not in SETTINGS:  # a configuration may have what others read, an argument not
        raise ConfigError(f"there is no setting {name!r}; there are {', '.join(SETTINGS)}")
    return name, int(value) if value.lstrip("-").isdigit() else value


def database(config: Config, attribute: Callable[[str], str | None]) -> str:
    """Return the path of the database; raises ConfigError where there is no place for it."""
    if config.dbpath is not None:
        return config.dbpath
    folder = attribute("statedir") or attribute("rundir")
    if folder is None:
        raise ConfigError("job-list.dbpath is not set, and the instance has no rundir; set it")
    return os.path.join(folder, FILE_NAME)


def run(instance: Instance, arguments: Sequence[str] = ()) -> None:
    """Answer requests until told to stop; raises OSError, with the reason in the log."""
    with _reported(instance):
        settings = Settings(instance, arguments)
        config = settings.now()
        path = database(config, instance.attribute)
        with create_or_open(path, synchronous=config.synchronous) as store:
            views = Views(store)
            if views.stale:
                # After an upgrade, views of a long history take minutes to be made anew:
                # that must not hold up the instance's start.
                instance.loaded()
            names = refresh(views)
            if names:
                instance.log(syslog.LOG_NOTICE, f"{path}: made anew: {', '.join(names)}")
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
        live.follower.start()
        instance.run()
    finally:
        live.close()


def _reread(instance: Instance, live: Live, settings: Settings) -> None:
    """Take up other settings, where they are right."""
    try:
        live.reconfigure(settings.now())
    except (JobdbError, OSError) as error:
        instance.log(syslog.LOG_ERR, f"the settings stay as they were: {error}")


def record(instance: Instance, views: Views, boot: str | None = None) -> Counts:
    """Store what the journal says until it ends, answering nothing; raises OSError."""
    follower = Follower(
        instance,
        views,
        Source(
            _name(instance),
            boot or instance.attribute("broker.uuid"),
            lambda: [job.key for job in views.unfinished()],
            reconnect=False,
        ),
    )
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

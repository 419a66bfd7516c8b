# SPDX-License-Identifier: LGPL-3.0
"""The settings in force: what Flux's configuration says, and what was given as an argument.

If no ``dbpath`` is set, the database is `jobdb.sqlite` in the instance's ``statedir``,
which outlives it, else in its ``rundir``, which is removed with it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from errno import EPROTO
from typing import Any

import msgspec

from eventstore.events.json_values import MALFORMED
from joblist.config import SETTINGS, Config, ConfigError, from_tables
from joblist.protocol.errors import RpcError

_INTEGER = re.compile("-?[0-9]{1,18}")  # isdigit() takes other scripts' digits, too
_BOOLEANS = {"true": True, "false": False}  # as in TOML
FILE_NAME = "jobdb.sqlite"


class Settings:
    """Settings of [job-list]; arguments, each NAME=VALUE, take precedence.

    ``tables`` returns the instance's configuration. Raises ConfigError for a wrong argument.
    """

    def __init__(
        self, tables: Callable[[], Mapping[str, Any]], arguments: Sequence[str] = ()
    ) -> None:
        self._tables = tables
        self._given = dict(_argument(argument) for argument in arguments)

    def now(self) -> Config:
        """Return the settings that are in force; raises ConfigError."""
        return self._of(self._tables())

    def read(self, payload: bytes | None) -> Config:
        """Return the settings that a config-reload request brings.

        Raises ConfigError, or RpcError if the payload is no configuration.
        """
        if payload is None:
            return self.now()
        try:
            tables = msgspec.json.decode(payload, type=dict[str, Any])
        except MALFORMED as error:
            raise RpcError(EPROTO) from error
        return self._of(tables)

    def _of(self, tables: Mapping[str, Any]) -> Config:
        own = tables.get("job-list", {})
        if self._given and isinstance(own, Mapping):
            tables = {**tables, "job-list": {**own, **self._given}}
        return from_tables(tables)


def _argument(text: str) -> tuple[str, object]:
    """Split an argument NAME=VALUE; the value becomes an int or a bool where it looks so."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"argument {text!r} is not NAME=VALUE")
    # [job-list] may have members that other programs read. An argument is for us only.
    if name not in SETTINGS:
        raise ConfigError(f"there is no setting {name!r}; there are {', '.join(SETTINGS)}")
    if _INTEGER.fullmatch(value):
        return name, int(value)
    return name, _BOOLEANS.get(value, value)


def database(config: Config, attribute: Callable[[str], str | None]) -> str:
    """Return the path of the database; raises ConfigError if no folder is known for it.

    ``attribute`` returns a broker attribute, None if it is not set.
    """
    if config.dbpath is not None:
        return config.dbpath
    folder = attribute("statedir") or attribute("rundir")
    if folder is None:
        raise ConfigError("job-list.dbpath is not set, and the instance has no rundir; set it")
    return os.path.join(folder, FILE_NAME)

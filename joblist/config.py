# SPDX-License-Identifier: LGPL-3.0
"""What a site configures, in Flux's own TOML tables.

    [job-list]   dbpath, purge ("keep" or "follow"), synchronous ("normal" or "full"),
                 max_comparisons (0: no limit), network_filesystem, sql (who may ask in SQL:
                 "off", "owner" or "users"), nodes (whether the resource journal is
                 followed), cluster (its name), and the bounds of protocol/budgets.py
    [access]     private-mode
    [queues]     the names are listed by job-stats even before a job used them

Other tables and members are left to other programs.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from eventstore.errors import JobdbError, StoreError
from eventstore.reading.cluster import check_name
from eventstore.storage.connection import SYNCHRONOUS
from joblist.protocol.budgets import Budgets, table

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover - the same library under its older name
    import tomli as tomllib

_T = TypeVar("_T")
_BOUNDS = tuple(bound.name for bound in table())
SETTINGS = (
    "dbpath", "purge", "synchronous", "max_comparisons", "network_filesystem", "sql", "nodes",
    "cluster", *_BOUNDS,
)  # fmt: skip
"""What may be given as an argument of the module: the members of [job-list]."""
_PURGE = ("keep", "follow")
_SQL = ("off", "owner", "users")


class ConfigError(JobdbError):
    """A setting has a wrong value; the message names both."""


@dataclass(frozen=True)
class Config:
    """The settings of the service, checked."""

    dbpath: str | None = None
    follow_purges: bool = False
    synchronous: str = "normal"
    max_comparisons: int = 0
    network_filesystem: bool = False
    private: bool = False
    queues: tuple[str, ...] = ()
    sql: str = "off"
    nodes: bool = True
    cluster: str | None = None
    budgets: Budgets = field(default_factory=Budgets)


def from_tables(tables: Mapping[str, Any]) -> Config:
    """Return the settings that Flux's configuration has; raises ConfigError."""
    own = _table(tables, "job-list")
    most = _get(own, "job-list.max_comparisons", int, 0)
    if most < 0:
        raise ConfigError("job-list.max_comparisons must be >= 0")
    return Config(
        dbpath=_get(own, "job-list.dbpath", str, None),
        follow_purges=_choice(own, "job-list.purge", _PURGE) == "follow",
        synchronous=_choice(own, "job-list.synchronous", SYNCHRONOUS),
        max_comparisons=most,
        network_filesystem=_get(own, "job-list.network_filesystem", bool, False),
        private=_get(_table(tables, "access"), "access.private-mode", bool, False),
        queues=tuple(_table(tables, "queues")),
        sql=_choice(own, "job-list.sql", _SQL),
        nodes=_get(own, "job-list.nodes", bool, True),
        cluster=_cluster(own),
        budgets=_budgets(own),
    )


def _cluster(own: Mapping[str, Any]) -> str | None:
    name: str | None = _get(own, "job-list.cluster", str, None)
    try:
        return name if name is None else check_name(name)
    except StoreError as error:
        raise ConfigError(f"job-list.cluster: {error}") from error


def _budgets(own: Mapping[str, Any]) -> Budgets:
    found = {name: _get(own, f"job-list.{name}", int, None) for name in _BOUNDS if name in own}
    for name, value in found.items():
        if value < 1:
            raise ConfigError(f"job-list.{name} must be >= 1")
    return Budgets(**found)


def read_tables(path: str) -> dict[str, Any]:
    """Read a TOML file; raises ConfigError if it cannot be read, or is not TOML."""
    try:
        tables: dict[str, Any] = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; name a readable file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}; correct the file") from error
    return tables


def _table(tables: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = tables.get(name, {})
    if not isinstance(found, Mapping):
        raise ConfigError(f"[{name}] must be a table")
    return found


def _get(table: Mapping[str, Any], name: str, kind: type[_T], default: Any) -> Any:  # noqa: ANN401
    value = table.get(name.partition(".")[2], default)
    if value is not default and type(value) is not kind:
        raise ConfigError(f"{name} must be of type {kind.__name__}, not {type(value).__name__}")
    return value


def _choice(table: Mapping[str, Any], name: str, values: tuple[str, ...]) -> str:
    value: str = _get(table, name, str, values[0])
    if value not in values:
        raise ConfigError(f"{name} is {value!r}; expected one of {', '.join(values)}")
    return value

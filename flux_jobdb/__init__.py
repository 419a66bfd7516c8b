# SPDX-License-Identifier: LGPL-3.0
"""The Python interface, and the one name of this project in site-packages.

The folders of the source (FOLDERS) import each other by their names. In a checkout they
lie beside this folder, in an installation inside of it. The first use of a public name
appends their folder to ``sys.path``, so that nothing of the program's own is hidden.

Raises ImportError where one of these names belongs to another package: when this package is
imported, if that one is loaded already; on first use, if it is found first on ``sys.path``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flux_jobdb.database import Database
    from flux_jobdb.records import Event, Figures, JobInfo, NodeInfo, NodeStates
    from flux_jobdb.rows import Rows
    from projections.definitions.interface import Add, Projection, Put
    from projections.engine.consumer_cursor import Consumer
    from projections.job.state import (
        ACTIVE,
        CANCELED,
        CLEANUP,
        COMPLETED,
        DEPEND,
        FAILED,
        INACTIVE,
        PENDING,
        PRIORITY,
        RUN,
        RUNNING,
        SCHED,
        TIMEOUT,
        Job,
    )

    __version__: str

__all__ = [
    "ACTIVE",
    "CANCELED",
    "CLEANUP",
    "COMPLETED",
    "DEPEND",
    "FAILED",
    "INACTIVE",
    "PENDING",
    "PRIORITY",
    "RUN",
    "RUNNING",
    "SCHED",
    "TIMEOUT",
    "Add",
    "Consumer",
    "Database",
    "Event",
    "Figures",
    "Job",
    "JobInfo",
    "NodeInfo",
    "NodeStates",
    "Projection",
    "Put",
    "Rows",
    "__version__",
    "open",
]

FOLDERS = ("eventstore", "projections", "joblist", "cli", "web", "lake")
_HERE = os.path.dirname(os.path.abspath(__file__))
HOME = _HERE if os.path.isdir(os.path.join(_HERE, FOLDERS[0])) else os.path.dirname(_HERE)
"""The folder that has FOLDERS."""

_MODULES = {
    "Add": "projections.definitions.interface",
    "Projection": "projections.definitions.interface",
    "Put": "projections.definitions.interface",
    "Consumer": "projections.engine.consumer_cursor",
    "Database": "flux_jobdb.database",
    "Event": "flux_jobdb.records",
    "Figures": "flux_jobdb.records",
    "JobInfo": "flux_jobdb.records",
    "NodeInfo": "flux_jobdb.records",
    "NodeStates": "flux_jobdb.records",
    "Rows": "flux_jobdb.rows",
}
_OTHERS = "projections.job.state"


def open(path: str | os.PathLike[str]) -> Database:  # noqa: A001 - as gzip.open and others
    """Open a database for reading; raises eventstore.errors.StoreError where it cannot be."""
    make_importable()
    from flux_jobdb.database import Database  # noqa: PLC0415

    return Database(os.fspath(path))


def _check(name: str, paths: Iterable[str | None]) -> None:
    """Raise ImportError unless the package of this name is ours."""
    own = os.path.join(HOME, name)
    found = [path for path in paths if path]
    if [os.path.realpath(path) for path in found] != [os.path.realpath(own)]:
        where = ", ".join(found) or "a module without a file"
        raise ImportError(
            f"flux_jobdb: {where} has the name {name!r} of "
            f"flux-jobdb's own package ({own}): rename it, take its folder off sys.path, "
            "or use flux_jobdb in a process without it",
            name=name,
        )


def _check_loaded() -> None:
    for name in FOLDERS:
        module = sys.modules.get(name)
        if module is not None:
            _check(name, getattr(module, "__path__", [getattr(module, "__file__", None)]))


def make_importable() -> None:
    from importlib.util import find_spec  # noqa: PLC0415 - the command's --help needs none

    if HOME not in sys.path:
        sys.path.append(HOME)
    _check_loaded()
    for name in FOLDERS:
        spec = None if name in sys.modules else find_spec(name)
        if spec is not None:
            _check(name, spec.submodule_search_locations or [spec.origin])


if not TYPE_CHECKING:  # a type checker would take any name for one of ours

    def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever has the name
        """Import a public name on its first use: importing this package loads nothing."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        if name == "__version__":
            from importlib.metadata import version  # noqa: PLC0415

            value = version("flux-jobdb")
        else:
            from importlib import import_module  # noqa: PLC0415

            make_importable()
            value = getattr(import_module(_MODULES.get(name, _OTHERS)), name)
        globals()[name] = value
        return value


_check_loaded()

# SPDX-License-Identifier: LGPL-3.0
"""``flux-jobdb export``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from cli.database import reading
from cli.options import db_option
from cli.output.streams import say

__all__ = ["command", "lake_extra"]


@click.command(epilog="Example: flux-jobdb export --cluster tuolumne /lake/flux")
@db_option
@click.option("--cluster", metavar="NAME", help="The cluster's name, if none is stored.")
@click.option("--verify", is_flag=True, help="Prove that what was exported is what is stored.")
@click.option("--compact", is_flag=True, help="Then join what came late, and small files.")
@click.argument("lake", metavar="DIR")
def command(lake: str, cluster: str | None, verify: bool, compact: bool) -> int:
    """Export finished jobs and their events as Parquet files (extra `lake`).

    Repeated, it adds what is new: each row is there once, also after an interruption. DIR may
    have the files of several clusters.
    """
    if verify:
        if compact:
            raise click.UsageError("--verify changes nothing: leave out --compact")
        return _verify(lake, cluster)
    with lake_extra():
        from lake.export import export  # noqa: PLC0415
    with reading() as store:
        manifest = export(store, Path(lake), cluster, join=compact)
    say(f"{lake}: {manifest.cluster}: {manifest.events} events of {manifest.jobs} jobs, in "
        f"{len(manifest.files)} files")  # fmt: skip
    return 0


def _verify(lake: str, cluster: str | None) -> int:
    with lake_extra():
        from lake.checking import check  # noqa: PLC0415
        from lake.manifest import cluster_of  # noqa: PLC0415
    from eventstore.errors import StoreError  # noqa: PLC0415

    with reading() as store:
        name = cluster_of(store.path, store.db, cluster)
        faults = list(check(store, Path(lake), name))
    if faults:
        raise StoreError(f"{lake}: {faults[0]} ({len(faults)} in all); export to a new folder")
    say(f"{lake}: it has what the store has of {name}")
    return 0


@contextmanager
def lake_extra() -> Iterator[None]:
    """Import what only lakes need; raises StoreError where it is missing."""
    from eventstore.errors import StoreError  # noqa: PLC0415

    try:
        yield
    except ImportError as error:
        if (error.name or "").split(".")[0] != "pyarrow":
            raise
        raise StoreError("a lake needs pyarrow: pip install 'flux-jobdb[lake]'") from error

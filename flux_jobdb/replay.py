# SPDX-License-Identifier: LGPL-3.0
"""Replaying a lake: from files of events to rows of projections, whatever the engine.

A site's projections run over all clusters and years, by the same reducers and ``rows`` as in a
database. The work is cut into units, texts that any engine can send about; each is folded by
itself. docs/export.md says how Spark and Dask do it; a loop does it, too::

    tables = joined(batch for unit in units("/lake/flux") for batch in batches(unit))
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from flux_jobdb import make_importable

if TYPE_CHECKING:
    import pyarrow as pa

    from lake.view_rows import Made
    from projections.definitions.interface import Projection

make_importable()

__all__ = ["batches", "joined", "units"]


def units(root: str | os.PathLike[str], clusters: Iterable[str] | None = None) -> list[str]:
    """Return the units of a lake, of these clusters or of all.

    Each is a file of events, or the nodes of a cluster. Raises an Exception, in one line, for
    what is no lake.
    """
    from lake import kernel  # noqa: PLC0415

    found = kernel.units(Path(root).resolve(), clusters)
    return [kernel.encode(unit).decode() for unit in found]


def batches(
    unit: str,
    projections: Iterable[str | Projection] | None = None,
    as_of: float | None = None,
) -> Iterator[Made]:
    """Fold a unit; yields (table, kind, Arrow batch).

    ``kind``: ``rows``; ``sums``, to be added up by the PRIMARY KEY; ``failed``, with the
    reason, where a site's projection raised. ``as_of`` (seconds since the epoch): rows of jobs
    as they were then. Raises an Exception, in one line, for a file that cannot be read.
    """
    from lake import kernel, view_rows  # noqa: PLC0415

    wanted = view_rows.chosen(projections)
    until = inf if as_of is None else as_of
    return view_rows.made(kernel.decode(unit), wanted, until=until)


def joined(
    found: Iterable[Made], projections: Iterable[str | Projection] | None = None
) -> dict[str, pa.Table]:
    """Return all tables by name, made of what `batches` yielded of all units.

    Raises an Exception, in one line, where a projection failed.
    """
    from lake import view_rows  # noqa: PLC0415

    return view_rows.joined(view_rows.chosen(projections), found)

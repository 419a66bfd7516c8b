# SPDX-License-Identifier: LGPL-3.0
"""The projections that are installed: the four built-in ones, and those of a site.

A site's package names its projections in the entry point group ``flux_jobdb.projections``
(docs/projections.md has an example).
"""

from __future__ import annotations

from importlib.metadata import entry_points

from eventstore.errors import StoreError
from projections.definitions.accounting import Accounting
from projections.definitions.active import Active
from projections.definitions.inactive import Inactive
from projections.definitions.interface import Projection
from projections.definitions.stats import Stats

GROUP = "flux_jobdb.projections"
"""The entry point group; each entry point names an object with the interface `Projection`."""

BUILTIN: tuple[Projection, ...] = (Active(), Inactive(), Accounting(), Stats())


def installed() -> list[Projection]:
    """Return the built-in projections, then those of the entry points.

    Raises StoreError where an entry point cannot be loaded, or two projections have one name.
    """
    found: dict[str, Projection] = {projection.name: projection for projection in BUILTIN}
    for entry in entry_points(group=GROUP):
        try:
            projection = entry.load()
        except Exception as error:
            raise StoreError(f"projection {entry.name}: cannot be loaded: {error}") from error
        if projection.name in found:
            raise StoreError(f"projection {projection.name}: the name is taken; rename one")
        found[projection.name] = projection
    return list(found.values())

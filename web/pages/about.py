# SPDX-License-Identifier: LGPL-3.0
"""How far the history reaches, what is missing from it, and what proves it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from eventstore.reading.gaps import gaps
from eventstore.storage.sql import value
from web.asking import Asking

_MOST_GAPS = 200


def page(asking: Asking, _: Mapping[str, str]) -> dict[str, Any]:
    """Return what the page shows.

    Counts tell what others do, and gaps name their jobs: they are for those who see all jobs.
    """
    found = (
        asking.stored()
        if asking.sees_all
        else dict(zip(("first_event", "last_event"), asking.reach(), strict=True))
    )
    head = value(asking.db, "SELECT digest FROM batch ORDER BY batch DESC LIMIT 1")
    gap_counts = asking.gap_counts() if asking.sees_all else {}
    kinds = [kind for kind, count in gap_counts.items() if count]
    missing = gaps(asking.db, asking.path, kinds)
    return {
        "counts": found,
        "lag": None if not found.get("last_event") else asking.now - found["last_event"],
        "head": head.hex() if head else None,
        "gap_counts": gap_counts,
        "gaps": list(islice(missing, _MOST_GAPS)),
        "bytes": asking.sees_all and sum(
            Path(asking.path + tail).stat().st_size
            for tail in ("", "-wal") if Path(asking.path + tail).exists()
        ),
    }  # fmt: skip

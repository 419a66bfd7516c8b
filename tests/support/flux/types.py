# SPDX-License-Identifier: LGPL-3.0
"""Flux's own answers about its types, for `flux python`: JSON in, JSON out.

Input: an object with lists of ``ids`` and ``seconds`` (numbers), ``texts`` (of job ids),
``hostlists`` and ``idsets`` (two texts and a member). Output: what flux.job.JobID,
flux.util.fsd, flux.hostlist and flux.idset say of each.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from flux.hostlist import Hostlist  # type: ignore[import-not-found]
from flux.idset import IDset  # type: ignore[import-not-found]
from flux.job import JobID  # type: ignore[import-not-found]
from flux.util import fsd  # type: ignore[import-not-found]


def of_hostlists(one: str, two: str, host: str) -> dict[str, Any]:
    """Return count, contains, intersects and expand."""
    first, second = Hostlist(one), Hostlist(two)
    return {
        "count": len(first),
        "contains": host in first,
        "intersects": any(name in second for name in first),
        "expand": list(first),
    }


def of_idsets(one: str, two: str, member: int) -> dict[str, Any]:
    """Return count, contains, intersects and expand."""
    first, second = IDset(one), IDset(two)
    return {
        "count": first.count(),
        "contains": first.test(member),
        "intersects": first.intersect(second).count() > 0,
        "expand": list(first),
    }


def main() -> None:
    """Answer what comes on standard input."""
    asked = json.load(sys.stdin)
    json.dump(
        {
            "ids": [JobID(number).f58 for number in asked["ids"]],
            "parsed": [int(JobID(text)) for text in asked["texts"]],
            "seconds": [fsd(seconds) for seconds in asked["seconds"]],
            "hostlists": [of_hostlists(*lists) for lists in asked["hostlists"]],
            "idsets": [of_idsets(*sets) for sets in asked["idsets"]],
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()

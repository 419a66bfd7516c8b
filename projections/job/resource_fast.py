# SPDX-License-Identifier: LGPL-3.0
"""A fast path for Rs of the usual form (RFC 20): one entry, ranks and hosts in one range each.

Its result equals that of ``resource_set.general``, which is asked where an R is unusual:
`read_usual` returns None then.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from projections.formats import hostlist, idset


class Listed(NamedTuple):
    """What an R allocates, with ``ranks`` and ``nodelist`` as job-list answers them.

    ``cores`` are those of all ranks. ``nodelist`` is None if R names no hosts.
    """

    nnodes: int
    ranks: str
    nodelist: str | None
    cores: int


def read_usual(rank: str, children: Any, nodelist: Any) -> Listed | None:  # noqa: ANN401
    """Read an R whose only entry has this ``rank`` and these ``children``.

    ``children`` and ``nodelist`` are any JSON. None where one of them is unusual, or malformed.
    """
    if type(nodelist) is not list or len(nodelist) != 1 or type(children) is not dict:
        return None
    (names,) = nodelist
    ranks = idset.one_range(rank)
    hosts = hostlist.one_range(names) if type(names) is str else None
    if ranks is None or hosts is None or hosts.hi - hosts.lo != ranks[1] - ranks[0]:
        return None
    cores = 0
    for kind, ids in children.items():
        if type(ids) is not str:
            return None
        try:
            found = idset.decode(ids)  # few texts: from a cache
        except idset.IdsetError:
            return None
        if kind == "core":
            cores = idset.count(found)
    lo, hi = ranks
    text = str(lo) if lo == hi else f"[{lo}-{hi}]"
    return Listed(hi - lo + 1, text, names, (hi - lo + 1) * cores)

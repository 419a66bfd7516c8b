# SPDX-License-Identifier: LGPL-3.0
"""What job-list reads from R (RFC 20): ranks, hosts, cores, expiration.

The rules are those of flux-core's job_data.c (parse_R) and librlist.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from eventstore.events.encoding import to_json
from eventstore.events.json_values import MALFORMED
from projections.formats import hostlist, idset
from projections.formats.json_update import put
from projections.job.integers import in_64_bits
from projections.job.resource_fast import Listed, read_usual
from projections.job.state import Job


class _Lite(msgspec.Struct, gc=False):
    rank: str
    children: Any


class _Execution(msgspec.Struct, gc=False):
    # librlist takes an R_lite or nodelist that is not an array as one without entries, and
    # skips what is not a string in a nodelist.
    R_lite: list[_Lite] | dict[str, Any] | str | int | float | bool | None
    nodelist: Any = UNSET
    properties: dict[str, str] | UnsetType = UNSET
    nslots: int = -1
    starttime: float = -1.0
    expiration: float = -1.0


class _R(msgspec.Struct, gc=False):
    version: int
    execution: _Execution


class Allocation(NamedTuple):
    """What an R allocates: ``cores`` over all ranks; ``hosts`` is None if R names none."""

    ranks: idset.Ranges
    hosts: hostlist.Hostlist | None
    cores: int
    expiration: float


_NO_PROPERTY = frozenset("^&'\"`|()")
_decode_r = msgspec.json.Decoder(_R).decode
_MALFORMED = (*MALFORMED, ValueError)


def read_r(job: Job) -> None:
    """Set the members of ``job`` that follow from its R, in place."""
    execution = _decoded(job.R) if job.R is not None else None
    listed = None if execution is None else _listed(execution)
    if execution is None or listed is None:
        return
    job.expiration = max(execution.expiration, 0.0)
    job.nnodes, job.ranks = listed.nnodes, listed.ranks
    if job.tasks_per_node:
        job.ntasks = job.nnodes * job.tasks_per_node
    if listed.nodelist is None:
        return
    job.nodelist, job.ncores = listed.nodelist, listed.cores
    if job.tasks_per_core:
        job.ntasks = job.ncores * job.tasks_per_core


def _listed(execution: _Execution) -> Listed | None:
    """Return what job-list answers of an allocation; None if it is not of RFC 20's form."""
    return _usual(execution) or general(execution)


def _usual(execution: _Execution) -> Listed | None:
    entries = execution.R_lite
    if type(entries) is not list or len(entries) != 1:
        return None
    (entry,) = entries
    for name, targets in (execution.properties or {}).items():
        if targets != entry.rank or not _NO_PROPERTY.isdisjoint(name):
            return None
    return read_usual(entry.rank, entry.children, execution.nodelist)


def general(execution: _Execution) -> Listed | None:
    """Read any allocation; None if it is not of RFC 20's form."""
    try:
        ranks, hosts, cores, _ = _allocation(execution)
    except _MALFORMED:
        return None
    text = idset.encode(ranks)
    # The inactive list indexes the ranges, mostly in the same fold: it gets them from the cache
    # and decodes no text. (Hosts are in their cache already: R's own text of them, which was
    # decoded, is as a rule the one that is encoded here.)
    idset.decode.keep(text, ranks)
    try:
        nodelist = None if hosts is None else hostlist.encode(hostlist.reread(hosts))
    except hostlist.HostlistError:
        nodelist = None
    return Listed(idset.count(ranks), text, nodelist, cores)


def update_r(job: Job, updates: dict[str, Any]) -> None:
    """Apply the context of a ``resource-update`` event: RFC 21 allows ``expiration``."""
    if job.R is None:
        return
    if "expiration" in updates:
        try:
            r = msgspec.json.decode(job.R)
        except _MALFORMED:
            return
        if isinstance(r, dict) and put(r, "execution.expiration", updates["expiration"]):
            job.R, job.R_seq = to_json(r), 0
    read_r(job)


def parse_r(text: bytes) -> Allocation | None:
    """Parse an R; None if it is not of RFC 20's form."""
    execution = _decoded(text)
    try:
        return None if execution is None else _allocation(execution)
    except _MALFORMED:
        return None


def _decoded(text: bytes) -> _Execution | None:
    try:
        form = _decode_r(text)
    except _MALFORMED:
        return None
    version = form.version
    return form.execution if in_64_bits(version) and version % 2**32 == 1 else None


def gpus(text: bytes) -> int:
    """Return how many GPUs an R allocates, 0 where `parse_r` returns None."""
    if parse_r(text) is None:
        return 0
    parts = _parts(_decode_r(text).execution.R_lite)
    return sum(idset.count(part) * idset.count(ids.get("gpu", ())) for part, ids in parts)


def _allocation(execution: _Execution) -> Allocation:
    ranks, cores = _ranks_and_cores(execution.R_lite)
    hosts = None if ranks else hostlist.concat()
    if execution.nodelist is not UNSET:
        hosts = _hosts(execution.nodelist)
        if hostlist.count(hosts) != idset.count(ranks):
            raise ValueError("as many hosts as ranks")
    properties = {} if execution.properties is UNSET else execution.properties
    for name, targets in properties.items():
        target = idset.decode(targets)
        if not _NO_PROPERTY.isdisjoint(name) or (
            target != ranks and idset.union(ranks, target) != ranks
        ):
            raise ValueError("properties of other ranks")
    return Allocation(ranks, hosts, cores, max(execution.expiration, 0.0))


def _hosts(nodelist: object) -> hostlist.Hostlist:
    texts = nodelist if isinstance(nodelist, list) else []
    lists = [hostlist.decode(names) for names in texts if isinstance(names, str)]
    return lists[0] if len(lists) == 1 else hostlist.concat(*lists)


_Children = dict[str, idset.Ranges]


def _ranks_and_cores(r_lite: object) -> tuple[idset.Ranges, int]:
    parts = _parts(r_lite)
    ranks = parts[0][0] if len(parts) == 1 else idset.union(*(part for part, _ in parts))
    if idset.count(ranks) != sum(idset.count(part) for part, _ in parts):
        _check_overlaps(parts)
    cores = (idset.count(part) * idset.count(ids.get("core", ())) for part, ids in parts)
    return ranks, sum(cores)


def _parts(r_lite: object) -> list[tuple[idset.Ranges, _Children]]:
    entries: list[_Lite] = r_lite if isinstance(r_lite, list) else []
    return [(idset.decode(e.rank), _children(e.children)) for e in entries]


def _check_overlaps(parts: list[tuple[idset.Ranges, _Children]]) -> None:
    """A rank may stand in several entries, but each of its children in one only."""
    for lo in {lo for part, _ in parts for lo, _ in part}:
        mine = [children for part, children in parts if idset.contains(part, lo)]
        for kind in {kind for children in mine for kind in children}:
            sets = [children.get(kind, ()) for children in mine]
            if idset.count(idset.union(*sets)) != sum(map(idset.count, sets)):
                raise ValueError("a child of a rank stands in two entries")


def _children(children: Any) -> _Children:  # noqa: ANN401 - any JSON
    if not isinstance(children, dict):
        return {}
    for ids in children.values():
        if not isinstance(ids, str):
            raise ValueError("children are idsets")  # noqa: TRY004 - see _MALFORMED
    return {kind: idset.decode(ids) for kind, ids in children.items()}

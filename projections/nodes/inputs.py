# SPDX-License-Identifier: LGPL-3.0
"""What is folded, decoded: events of the resource journal, payloads of resource.status, ends.

A context that is not of RFC 44's form, or names too many nodes, decodes to None: such an
event changes nothing, as in flux-core, which refuses it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice, zip_longest
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from eventstore.events.json_values import MALFORMED
from eventstore.events.resource_line import decode_status
from projections.formats import hostlist, idset

MOST_NODES = 2**18
"""Ranks or hosts that one text may name."""

_MALFORMED = (*MALFORMED, ValueError)


class Restart(Struct, gc=False):
    """Who is in the instance: the host of each rank, and which ranks are online."""

    hosts: tuple[str, ...]
    online: idset.Ranges


class Ranks(Struct, gc=False):
    """Ranks that went online, offline, torpid or lively."""

    ranks: idset.Ranges


class Change(Struct, gc=False):
    """A drain or undrain.

    ``targets`` are pairs of rank and host name, None where the event names fewer hosts.
    ``overwrite`` None: the module posted it by itself. ``seq``: when it was stored.
    """

    time: float
    seq: int
    name: str
    targets: list[tuple[int, str | None]]
    reason: str | None
    overwrite: int | None


class Status(Struct, gc=False):
    """What ``resource.status`` said: drains are (ranks, time in whole seconds, reason).

    ``hosts`` maps ranks to hosts, as far as R does.
    """

    drains: list[tuple[idset.Ranges, float, str]]
    online: idset.Ranges
    offline: idset.Ranges
    exclude: idset.Ranges
    torpid: idset.Ranges
    hosts: dict[int, str]


class _RestartForm(Struct, gc=False):
    ranks: str
    online: str
    nodelist: str


class _IdsetForm(Struct, gc=False):
    idset: str


class _DrainForm(Struct, gc=False):
    idset: str
    nodelist: str | None = None
    reason: str | None = None
    overwrite: int | None = None


class _LiteForm(Struct, gc=False):
    rank: str


class _ExecutionForm(Struct, gc=False):
    R_lite: list[_LiteForm] = []
    nodelist: list[str] = []


class _RForm(Struct, gc=False):
    execution: _ExecutionForm


_T = TypeVar("_T")


def _decoder(form: type[_T]) -> Callable[[bytes], _T]:
    return msgspec.json.Decoder(form).decode


_decode_restart = _decoder(_RestartForm)
_decode_idset = _decoder(_IdsetForm)
_decode_drain = _decoder(_DrainForm)
_decode_r = _decoder(_RForm)


def ids(ranges: idset.Ranges) -> Iterator[int]:
    """Yield the ids of a set."""
    for lo, hi in ranges:
        yield from range(lo, hi + 1)


def read_restart(context: bytes | None) -> Restart | None:
    """Decode the context of ``restart``: as many hosts as there are ranks."""
    try:
        form = _decode_restart(context or b"")
        count = idset.count(_limited(form.ranks))
        hosts = tuple(islice(hostlist.hosts(hostlist.decode(form.nodelist)), count))
        return Restart(hosts, _limited(form.online))
    except _MALFORMED:
        return None


def read_ranks(context: bytes | None) -> Ranks | None:
    """Decode the context of ``online``, ``offline``, ``torpid`` and ``lively``."""
    try:
        return Ranks(idset.decode(_decode_idset(context or b"").idset))
    except _MALFORMED:
        return None


def read_change(name: str, time: float, seq: int, context: bytes | None) -> Change | None:
    """Decode the context of ``drain`` and ``undrain``."""
    try:
        form = _decode_drain(context or b"")
        if form.overwrite is not None and not -(2**63) <= form.overwrite < 2**63:
            return None
        ranks = list(ids(_limited(form.idset)))
        names = hostlist.hosts(hostlist.decode(form.nodelist or ""))
        targets = list(zip_longest(ranks, islice(names, len(ranks))))
        return Change(time, seq, name, targets, form.reason, form.overwrite)
    except _MALFORMED:
        return None


def read_status(payload: bytes) -> Status | None:
    """Decode a payload of ``resource.status``."""
    try:
        form = decode_status(payload)
        drains = [
            (_limited(ranks), group.timestamp, group.reason)
            for ranks, group in form.drain.items()
        ]
        return Status(
            drains, _limited(form.online), _limited(form.offline), _limited(form.exclude),
            _limited(form.torpid), hosts_of(bytes(form.R)),
        )  # fmt: skip
    except _MALFORMED:
        return None


def hosts_of(R: bytes) -> dict[int, str]:  # noqa: N803 - Flux's name
    """Return the host of each rank of an R (RFC 20), as far as it has them."""
    try:
        execution = _decode_r(R).execution
        ranks = idset.union(*(_limited(entry.rank) for entry in execution.R_lite))
        hosts: Iterator[Any] = hostlist.hosts(
            hostlist.concat(*map(hostlist.decode, execution.nodelist))
        )
        return dict(zip(ids(_limited_set(ranks)), hosts, strict=False))
    except _MALFORMED:
        return {}


def _limited(text: str) -> idset.Ranges:
    return _limited_set(idset.decode(text))


def _limited_set(ranges: idset.Ranges) -> idset.Ranges:
    if ranges and ranges[-1][1] >= MOST_NODES:
        raise ValueError("a rank beyond any instance")
    return ranges

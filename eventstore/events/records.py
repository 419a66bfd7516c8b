# SPDX-License-Identifier: LGPL-3.0
"""Stored rows, as readers and views get them: events, and notices about several jobs."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import NamedTuple

import msgspec
from msgspec import Struct

from eventstore.events import resource_notices
from eventstore.events.journal_line import Entry, decode_purge


class Record(Struct, gc=False):
    """A stored event, with the jobspec or R of the same response.

    ``seq`` is the order of arrival; ``job`` the store's own key of the job. ``replayed``:
    only a backlog showed it, so that its context may have been edited. ``anchor`` is set
    on events that were read late: see ``dedup.anchored``.
    """

    seq: int
    job: int
    jobid: int
    stream: int
    replayed: bool
    anchor: int | None
    entry: Entry
    jobspec: bytes | None = None
    R: bytes | None = None

    @property
    def late(self) -> bool:
        """Whether events that come after it in the job's order were stored before it."""
        return self.anchor is not None


class Notice(NamedTuple):
    """A message that concerns several jobs at once, and is not an event of one of them.

    ``seq`` counts on with the events'; ``time`` is in seconds since the epoch. ``data`` is
    JSON, whose form depends on ``kind``:

        purge   {"jobs":[ID,…]}: the job manager forgot these job ids, verbatim as it said it
        gone    {"jobs":[KEY,…]}: a complete backlog did not have the jobs of these keys
        boot    {"boot":ID,"memos":{KEY:[SEQ,…]}}: another broker, and the memos that it kept
        cluster {"cluster":NAME}: the name of the cluster that all events are of

    Others are what the resource module sent: resource_notices.py names them.
    """

    seq: int
    time: float
    kind: str
    data: bytes

    @property
    def well_formed(self) -> bool:
        """Whether kind, time and data are of a form that is ever appended."""
        times = isinstance(self.time, float) and isfinite(self.time)
        if times and isinstance(self.data, bytes) and self.kind in resource_notices.KINDS:
            return resource_notices.is_possible(self.kind, self.time, self.data)
        decode = _FORMS.get(self.kind)
        if not times or decode is None or not isinstance(self.data, bytes):
            return False
        try:
            decode(self.data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return False
        return True


class _BootForm(Struct):
    memos: dict[str, list[int]]


class ClusterForm(Struct):
    """The data of a notice of the kind cluster."""

    cluster: str


decode_cluster = msgspec.json.Decoder(ClusterForm).decode


_FORMS: dict[str, Callable[[bytes], object]] = {
    "purge": decode_purge,
    "gone": decode_purge,
    "boot": msgspec.json.Decoder(_BootForm).decode,
    "cluster": decode_cluster,
}

# SPDX-License-Identifier: LGPL-3.0
"""From a job's packed values to the JSON text of the attributes that a request asks for.

The values of a job are packed as JSON texts (projections.job.packing.packed), so that an
answer is joined from texts: no value is decoded. A *template* says which values stand where; it
depends on the attributes asked for and on those that the job has, and most jobs have the same,
so that few templates are made.

Clients ask for the same jobs again and again (`flux top` and a portal do so every second), so
that the last rendered texts are cached as well. Caches are bounded by bytes: a job's name or
annotations can be megabytes long.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from projections.formats.json_text import c_string
from projections.job.attributes import ATTRIBUTES
from projections.job.packing import SEPARATOR, packed
from projections.job.state import Job

_ALL = dict.fromkeys(ATTRIBUTES)
_FEW = 100  # packed values of so many jobs more than the active ones are kept
_ENTRY = 256  # bytes that an entry takes besides its texts
_SHARE = 256  # what takes more than 1/256 of a cache is not kept
MOST_TEXTS = 16 * 2**20
"""Bytes of all rendered texts that are kept, with the packed values that they were made of."""
MOST_PACKED = 32 * 2**20
"""Bytes of the packed values of active jobs that are kept."""
_MOST_LISTS = 4  # renderers that are kept
_MOST_TEMPLATES = 256


class UnknownAttributeError(ValueError):
    """An unknown attribute was requested; the text is job-list's."""


class Renderer:
    """Renders jobs with the attributes asked for: ``id``, then these in the order asked for.

    ``all`` stands for all of them. An error in the attributes is raised when the first job is
    rendered, not before, as in job-list.
    """

    def __init__(self, attributes: Sequence[object]) -> None:
        self._error: str | None = None
        names: dict[str, None] = {}
        for attribute in attributes:
            if not isinstance(attribute, str):
                self._error = "attr has no string value"
                break
            name = c_string(attribute)
            if name == "all":
                names |= _ALL
            elif name in ATTRIBUTES:
                names[name] = None
            else:
                self._error = f"{name} is not a valid attribute"
                break
        self._names = tuple(names)
        self._templates: dict[str, _Template] = {}
        self._number = RECENT.number(self._names)

    def job(self, job: Job) -> bytes:
        """Return a job's answer; raises UnknownAttributeError."""
        return self.text(job.id, packed(job))

    def text(self, jobid: int, values: str) -> bytes:
        """Return the answer of a job with these packed values; raises UnknownAttributeError."""
        if self._error is not None:
            raise UnknownAttributeError(self._error)
        key = self._number, jobid, values
        text = RECENT.get(key)
        if text is None:
            text = self.uncached(jobid, values)
            RECENT.keep(key, text)
        return text

    def uncached(self, jobid: int, values: str) -> bytes:
        """Return what `text` returns, but render it anew, and do not keep it."""
        if self._error is not None:
            raise UnknownAttributeError(self._error)
        mask, _, rest = values.partition(SEPARATOR)
        template = self._templates.get(mask)
        if template is None:
            if len(self._templates) >= _MOST_TEMPLATES:
                self._templates.clear()
            template = self._templates[mask] = _template(self._names, mask)
        found = rest.split(SEPARATOR)
        if template.indexes is not None:
            found = [found[index] for index in template.indexes]
        pieces = template.pieces.copy()
        pieces[1] = str(jobid)
        pieces[3::2] = found
        return "".join(pieces).encode()


_Key: TypeAlias = tuple[int, int, str]


class RecentTexts:
    """Rendered texts by (number of a list of attributes, job id, packed values).

    A text follows from these alone, so that no entry is ever out of date. Beyond ``bound``
    bytes, all are dropped.
    """

    def __init__(self, bound: int = MOST_TEXTS) -> None:
        self._bound = bound
        self._texts: dict[_Key, bytes] = {}
        self._numbers: dict[tuple[str, ...], int] = {}
        self._next = 0
        self.used = 0
        """Bytes that the texts take, and the values that they were made of."""

        self.get = self._texts.get

    def number(self, names: tuple[str, ...]) -> int:
        """Return the number of a list of attributes; another list never has the same one."""
        found = self._numbers.get(names)
        if found is None:
            self._count(len(names) * 8 + _ENTRY)
            self._next += 1
            found = self._numbers[names] = self._next
        return found

    def keep(self, key: _Key, text: bytes) -> None:
        """Keep a text, unless it is a large one."""
        size = len(text) + len(key[2]) + _ENTRY
        if size * _SHARE <= self._bound:
            self._count(size)
            self._texts[key] = text

    def _count(self, size: int) -> None:
        self.used += size
        if self.used > self._bound:
            self._texts.clear()
            self._numbers.clear()
            self.used = size


RECENT = RecentTexts()


def renderer(attributes: Sequence[object]) -> Renderer:
    """Return a Renderer; those of the lists of attributes that were asked for last are kept."""
    try:
        return _kept(tuple(attributes))
    except TypeError:  # there are arrays or objects among them
        return Renderer(attributes)


@lru_cache(_MOST_LISTS)
def _kept(attributes: tuple[object, ...]) -> Renderer:
    return Renderer(attributes)


class PackedCache:
    """Packs active jobs, and keeps the packed values of each until the job changes.

    A state is never changed in place: the same object has the same values.
    """

    def __init__(self, bound: int = MOST_PACKED) -> None:
        self._bound = bound
        self._packed: dict[int, tuple[Job, str]] = {}
        self.used = 0
        """Bytes that the values take."""

    def __len__(self) -> int:
        return len(self._packed)

    def __call__(self, job: Job) -> str:
        """Return the job's packed values; they are kept while there is room."""
        job_then, values = self._packed.get(job.key, (None, ""))
        if job_then is not job:
            self._forget(job.key)
            values = packed(job)
            if self.used + len(values) + _ENTRY <= self._bound:
                self._packed[job.key] = job, values
                self.used += len(values) + _ENTRY
        return values

    def _forget(self, key: int) -> None:
        _, values = self._packed.pop(key, (None, None))
        if values is not None:
            self.used -= len(values) + _ENTRY

    def forget_others(self, jobs: Sequence[Job]) -> None:
        """Drop the values of jobs that are not among these, once there are many of them."""
        if len(self._packed) > 2 * len(jobs) + _FEW:
            still = {job.key for job in jobs}
            for key in self._packed.keys() - still:
                self._forget(key)


class _Template(NamedTuple):
    """How jobs that have the same attributes are rendered.

    ``pieces`` has gaps for the id and for values at 1, 3, 5, …; ``indexes`` says which values
    these are, None: all, in their order.
    """

    pieces: list[str]
    indexes: list[int] | None


@lru_cache(_MOST_TEMPLATES)
def _template(names: tuple[str, ...], mask: str) -> _Template:
    there = [name for bit, name in enumerate(ATTRIBUTES) if int(mask) >> bit & 1]
    wanted = [name for name in names if name in there]
    pieces = ['{"id":', ""]
    for name in wanted:
        pieces += [f',"{name}":', ""]
    pieces.append("}")
    indexes = None if wanted == there else [there.index(name) for name in wanted]
    return _Template(pieces, indexes)

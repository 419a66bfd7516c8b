# SPDX-License-Identifier: LGPL-3.0
"""From a job's packed values to the JSON text of the attributes that a request asks for.

The values of a job are packed as JSON texts (projections.job.attributes.packed), so that an
answer is joined from texts: no value is decoded. A *template* says which values stand where; it
depends on the attributes asked for and on those that the job has, and most jobs have the same,
so that few templates are made.

Clients ask for the same jobs again and again (`flux top` and a portal do so every second), so
that the last rendered texts are cached as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from projections.formats.json_text import c_string
from projections.job.attributes import ATTRIBUTES, SEPARATOR, packed
from projections.job.state import Job

_ALL = dict.fromkeys(ATTRIBUTES)
_FEW = 100  # packed values of so many jobs more than the active ones are kept
_MOST_TEXTS = 2048  # for each list of attributes
_MOST_LISTS = 4  # of attributes


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
        self._texts = _RECENT.of(self._names)

    def job(self, job: Job) -> bytes:
        """Return a job's answer; raises UnknownAttributeError."""
        return self.text(job.id, packed(job))

    def text(self, jobid: int, values: str) -> bytes:
        """Return the answer of a job with these packed values; raises UnknownAttributeError."""
        if self._error is not None:
            raise UnknownAttributeError(self._error)
        key = jobid, values
        text = self._texts.get(key)
        if text is None:
            text = self._render(jobid, values)
            if len(self._texts) >= _MOST_TEXTS:
                self._texts.clear()
            self._texts[key] = text
        return text

    def _render(self, jobid: int, values: str) -> bytes:
        mask, _, rest = values.partition(SEPARATOR)
        template = self._templates.get(mask)
        if template is None:
            template = self._templates[mask] = _template(self._names, mask)
        found = rest.split(SEPARATOR)
        if template.indexes is not None:
            found = [found[index] for index in template.indexes]
        pieces = template.pieces.copy()
        pieces[1] = str(jobid)
        pieces[3::2] = found
        return "".join(pieces).encode()


class _RecentTexts:
    """Rendered texts by (job id, packed values), for the lists of attributes used last.

    A text follows from these alone, so that no entry is ever out of date.
    """

    def __init__(self) -> None:
        self._by_names: dict[tuple[str, ...], dict[tuple[int, str], bytes]] = {}

    def of(self, names: tuple[str, ...]) -> dict[tuple[int, str], bytes]:
        """Return the texts with these attributes; the list used longest ago is dropped."""
        texts = self._by_names.pop(names, {})
        self._by_names[names] = texts  # the last one now
        if len(self._by_names) > _MOST_LISTS:
            del self._by_names[next(iter(self._by_names))]
        return texts


_RECENT = _RecentTexts()


class PackedCache:
    """Packs active jobs, and keeps the packed values of each until the job changes.

    A state is never changed in place: the same object has the same values.
    """

    def __init__(self) -> None:
        self._packed: dict[int, tuple[Job, str]] = {}

    def __len__(self) -> int:
        return len(self._packed)

    def __call__(self, job: Job) -> str:
        """Return the job's packed values."""
        job_then, values = self._packed.get(job.key, (None, ""))
        if job_then is not job:
            values = packed(job)
            self._packed[job.key] = job, values
        return values

    def forget_others(self, jobs: Sequence[Job]) -> None:
        """Drop the values of jobs that are not among these, once there are many of them."""
        if len(self._packed) > 2 * len(jobs) + _FEW:
            still = {job.key for job in jobs}
            self._packed = {k: found for k, found in self._packed.items() if k in still}


class _Template(NamedTuple):
    """How jobs that have the same attributes are rendered.

    ``pieces`` has gaps for the id and for values at 1, 3, 5, …; ``indexes`` says which values
    these are, None: all, in their order.
    """

    pieces: list[str]
    indexes: list[int] | None


@lru_cache(256)
def _template(names: tuple[str, ...], mask: str) -> _Template:
    there = [name for bit, name in enumerate(ATTRIBUTES) if int(mask) >> bit & 1]
    wanted = [name for name in names if name in there]
    pieces = ['{"id":', ""]
    for name in wanted:
        pieces += [f',"{name}":', ""]
    pieces.append("}")
    indexes = None if wanted == there else [there.index(name) for name in wanted]
    return _Template(pieces, indexes)

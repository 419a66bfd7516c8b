# SPDX-License-Identifier: LGPL-3.0
"""The attributes that a request asks for, taken from a job as JSON text.

Inactive jobs have all values ready as texts, which are put between names without being
read. Most jobs have the same attributes, so that this is worked out a few times only.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from projections.formats.json_text import c_string
from projections.job.attributes import ATTRIBUTES, SEPARATOR, packed
from projections.job.state import Job

_ALL = dict.fromkeys(ATTRIBUTES)
_FEW = 100  # finished jobs may be remembered besides as many as are active
_MOST_MADE = 2048  # texts that are remembered for each of the last few sets of attributes


class UnknownAttributeError(ValueError):
    """An attribute was asked for that there is not; the text is job-list's."""


class Picker:
    """Cuts jobs to the attributes asked for: ``id``, then these in the order asked for.

    ``all`` stands for all of them. What is wrong with the attributes shows when the first
    job is picked, not before, as in job-list.
    """

    def __init__(self, attributes: Sequence[object]) -> None:
        self._wrong: str | None = None
        names: dict[str, None] = {}
        for attribute in attributes:
            if not isinstance(attribute, str):
                self._wrong = "attr has no string value"
                break
            name = c_string(attribute)
            if name == "all":
                names |= _ALL
            elif name in ATTRIBUTES:
                names[name] = None
            else:
                self._wrong = f"{name} is not a valid attribute"
                break
        self._names = tuple(names)
        self._cuts: dict[str, _Cut] = {}
        self._made = _made_of(self._names)

    def job(self, job: Job) -> bytes:
        """Return a job's answer; raises UnknownAttributeError."""
        return self.text(job.id, packed(job))

    def text(self, jobid: int, values: str) -> bytes:
        """Return the part asked for of packed values; raises UnknownAttributeError."""
        if self._wrong is not None:
            raise UnknownAttributeError(self._wrong)
        key = jobid, values
        made = self._made.get(key)
        if made is None:
            made = self._cut(jobid, values)
            if len(self._made) >= _MOST_MADE:
                self._made.clear()
            self._made[key] = made
        return made

    def _cut(self, jobid: int, values: str) -> bytes:
        mask, _, rest = values.partition(SEPARATOR)
        cut = self._cuts.get(mask)
        if cut is None:
            cut = self._cuts[mask] = _cut(self._names, mask)
        found = rest.split(SEPARATOR)
        if cut.indexes is not None:
            found = [found[index] for index in cut.indexes]
        pieces = cut.pieces.copy()
        pieces[1] = str(jobid)
        pieces[3::2] = found
        return "".join(pieces).encode()


@lru_cache(4)
def _made_of(names: tuple[str, ...]) -> dict[tuple[int, str], bytes]:
    """Return what was made lately with these attributes: clients ask again and again."""
    del names
    return {}


class Packer:
    """Packs active jobs, and remembers for each what came out until it changes.

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
        """Forget the jobs that are not among these, where they have become many."""
        if len(self._packed) > 2 * len(jobs) + _FEW:
            still = {job.key for job in jobs}
            self._packed = {k: found for k, found in self._packed.items() if k in still}


class _Cut(NamedTuple):
    """How jobs with the same attributes are cut.

    ``pieces`` has gaps for the id and for values at 1, 3, 5, …; ``indexes`` says which values,
    None: all, in order.
    """

    pieces: list[str]
    indexes: list[int] | None


@lru_cache(256)
def _cut(names: tuple[str, ...], mask: str) -> _Cut:
    there = [name for bit, name in enumerate(ATTRIBUTES) if int(mask) >> bit & 1]
    wanted = [name for name in names if name in there]
    pieces = ['{"id":', ""]
    for name in wanted:
        pieces += [f',"{name}":', ""]
    pieces.append("}")
    return _Cut(pieces, None if wanted == there else [there.index(name) for name in wanted])

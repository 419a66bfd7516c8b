# SPDX-License-Identifier: LGPL-3.0
"""The attributes that a request asks for, taken from a job as JSON text.

Inactive jobs have all values ready as texts, which are put into a template without being
read. Most jobs have the same attributes, so that few templates are needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from .answer import ATTRIBUTES, SEPARATOR, packed
from .job import Job
from .jsontext import c_string


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
                names.update(dict.fromkeys(ATTRIBUTES))
            elif name in ATTRIBUTES:
                names[name] = None
            else:
                self._wrong = f"{name} is not a valid attribute"
                break
        self._names = tuple(names)

    def job(self, job: Job) -> bytes:
        """Return a job's answer; raises UnknownAttributeError."""
        return self.text(job.id, packed(job))

    def text(self, jobid: int, values: str) -> bytes:
        """Return the part asked for of packed values; raises UnknownAttributeError."""
        if self._wrong is not None:
            raise UnknownAttributeError(self._wrong)
        mask, _, rest = values.partition(SEPARATOR)
        template, indexes = _template(self._names, mask)
        found = rest.split(SEPARATOR)
        if indexes is not None:
            found = [found[index] for index in indexes]
        return (template % (jobid, *found)).encode()


class Packer:
    """Packs jobs, and remembers for each what came out until it changes.

    A state is never changed in place: the same object has the same values.
    """

    _MOST = 100_000

    def __init__(self) -> None:
        self._packed: dict[int, tuple[Job, str]] = {}

    def __call__(self, job: Job) -> str:
        """Return the job's packed values."""
        job_then, values = self._packed.get(job.key, (None, ""))
        if job_then is not job:
            if len(self._packed) >= self._MOST:
                self._packed.clear()  # finished jobs are never asked for again
            values = packed(job)
            self._packed[job.key] = job, values
        return values


@lru_cache(256)
def _template(names: tuple[str, ...], mask: str) -> tuple[str, list[int] | None]:
    """Return the text to fill, and with which of the values; None: with all, in order."""
    there = [name for bit, name in enumerate(ATTRIBUTES) if int(mask) >> bit & 1]
    wanted = [name for name in names if name in there]
    template = '{"id":%d' + "".join(f',"{name}":%s' for name in wanted) + "}"
    return template, None if wanted == there else [there.index(name) for name in wanted]

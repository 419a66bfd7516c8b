# SPDX-License-Identifier: LGPL-3.0
"""The attributes that a request asks for, taken from a job as JSON text.

Inactive jobs have all values ready as texts, which are put into a template without being
read. Most jobs have the same attributes, so that few templates are needed.
"""

from __future__ import annotations

from collections.abc import Sequence

from .answer import ATTRIBUTES, SEPARATOR, answer
from .job import Job
from .jsontext import c_string, dumps


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
        self._templates: dict[str, tuple[str, list[int] | None]] = {}

    def job(self, job: Job) -> bytes:
        """Return a job's answer; raises UnknownAttributeError."""
        self._check()
        return dumps(answer(job, self._names))

    def text(self, jobid: int, values: str) -> bytes:
        """Return the part asked for of packed values; raises UnknownAttributeError."""
        self._check()
        mask, _, rest = values.partition(SEPARATOR)
        template, indexes = self._templates.get(mask) or self._template(mask)
        found = rest.split(SEPARATOR)
        if indexes is not None:
            found = [found[index] for index in indexes]
        return (template % (jobid, *found)).encode()

    def _template(self, mask: str) -> tuple[str, list[int] | None]:
        """Return the text to fill, and with which of the values; None: with all, in order."""
        there = [name for bit, name in enumerate(ATTRIBUTES) if int(mask) >> bit & 1]
        wanted = [name for name in self._names if name in there]
        template = '{"id":%d' + "".join(f',"{name}":%s' for name in wanted) + "}"
        indexes = None if wanted == there else [there.index(name) for name in wanted]
        self._templates[mask] = template, indexes
        return template, indexes

    def _check(self) -> None:
        if self._wrong is not None:
            raise UnknownAttributeError(self._wrong)

# SPDX-License-Identifier: LGPL-3.0
"""The attributes that a request asks for, taken from a job as JSON text.

Inactive jobs have their complete answer ready as text: all of it is handed out as it is,
and parts of it are cut out without reading the values.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from .answer import ATTRIBUTES, answer
from .job import Job
from .jsontext import c_string, dumps

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


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
        self._all = self._names == tuple(ATTRIBUTES)

    def job(self, job: Job) -> bytes:
        """Return a job's answer; raises UnknownAttributeError."""
        self._check()
        return dumps(answer(job, self._names))

    def text(self, jobid: int, text: str) -> bytes:
        """Return the part asked for of a complete answer; raises UnknownAttributeError."""
        self._check()
        if self._all:
            return text.encode()
        if not self._names:
            return b'{"id":%d}' % jobid
        members = _members(text)
        parts = [b'"%b":%b' % (n.encode(), members[n]) for n in self._names if n in members]
        return b'{"id":%d,%b}' % (jobid, b",".join(parts)) if parts else b'{"id":%d}' % jobid

    def _check(self) -> None:
        if self._wrong is not None:
            raise UnknownAttributeError(self._wrong)

# SPDX-License-Identifier: LGPL-3.0
"""All attributes of a job *packed* into one text.

An answer with any attributes is joined from it without encoding a value again
(projections/queries/render.py). It is made of each finished job, and stored. `packed_usual` is
the fast way for jobs that ran and have nothing unusual.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from projections.formats.json_text import dumps, real, string
from projections.job.attributes import ATTRIBUTES, values_of
from projections.job.state import CLEANUP, DEPEND, INACTIVE, RUN, SCHED, Job

SEPARATOR = "\x1f"
"""Separates packed values. It cannot occur in them: JSON escapes it."""


def packed(job: Job) -> str:
    """Return the values of all attributes, packed: see `pack`."""
    return packed_usual(job) or pack(values_of(job))


def pack(values: Iterable[Any]) -> str:
    """Pack what `values_of` returned: a mask, then each value as JSON text.

    Bit n of the mask (decimal) says whether the job has the n-th of ATTRIBUTES.
    """
    mask = 0
    texts = [""]
    for bit, value in zip(_IN_ORDER, values, strict=True):
        if value is None:
            continue
        mask |= bit
        kind = type(value)
        if kind is int:
            texts.append(str(value))
        elif kind is float:
            texts.append(real(value))
        elif kind is bool:
            texts.append("true" if value else "false")
        elif kind is str:
            texts.append(string(value))
        else:
            texts.append(dumps(value).decode())
    texts[0] = str(mask)
    return SEPARATOR.join(texts)


def annotations_in(values: str) -> tuple[int, int] | tuple[None, None]:
    """Return where the annotations are in packed values, as SQL's substr() wants it.

    That is: the number of their first character, counted from 1, and that of characters.
    """
    mask = int(values[: values.index(SEPARATOR)])
    if not mask & _ANNOTATIONS:
        return None, None
    behind = (mask // (2 * _ANNOTATIONS)).bit_count()
    before, text, *_ = values.rsplit(SEPARATOR, behind + 1)
    return len(before) + 2, len(text)


def _is_plain(text: str) -> bool:
    """Return whether a text needs no escapes in JSON."""
    return text.isascii() and text.isprintable() and '"' not in text and "\\" not in text


_LIFE = DEPEND | SCHED | RUN | CLEANUP | INACTIVE
"""The states of which every job that ran and finished has the bits."""
_BITS = {name: 1 << bit for bit, name in enumerate(ATTRIBUTES)}
_IN_ORDER = tuple(_BITS.values())
_OPTIONAL = (
    "queue", "project", "bank", "exception_type", "exception_severity", "exception_note",
    "annotations", "waitstatus", "dependencies",
)  # fmt: skip
_ALWAYS = sum(_BITS.values()) - sum(_BITS[name] for name in _OPTIONAL)
_QUEUE, _PROJECT, _BANK = (_BITS[name] for name in ("queue", "project", "bank"))
_ANNOTATIONS, _WAITSTATUS = _BITS["annotations"], _BITS["waitstatus"]
_REALS = "%.17g\x1f" * 6 + "%.17g"


def packed_usual(job: Job) -> str | None:
    """Pack a job that ran and finished; None if it is unusual: it had an exception, say.

    The order is that of ATTRIBUTES: tests compare it with `pack`.
    """
    if job.states_mask & _LIFE != _LIFE:
        return None
    name, cwd, queue, project, bank = job.name, job.cwd, job.queue, job.project, job.bank
    ranks, nodelist = job.ranks, job.nodelist
    if (
        job.exception_occurred or job.submit_version < 1 or name is None or cwd is None
        or ranks is None or nodelist is None or job.dependencies is not None
        or job.ntasks < 0 or job.ncores < 0 or job.nnodes < 0
        or job.duration < 0 or job.expiration < 0
        or not _is_plain(f"{name}{cwd}{queue}{project}{bank}{ranks}{nodelist}")
    ):  # fmt: skip
        return None
    times = _REALS % (
        job.t_submit, job.t_depend, job.t_priority, job.t_sched, job.t_run, job.t_cleanup,
        job.t_inactive,
    )  # fmt: skip
    if times.count(".") != 7 or "e" in times:
        return None  # not as jansson writes them, or 0, which is no attribute
    mask, accounts, tail = _ALWAYS, "", ""
    if queue is not None:
        mask |= _QUEUE
        accounts = f'"{queue}"\x1f'
    if project is not None:
        mask |= _PROJECT
        accounts = f'{accounts}"{project}"\x1f'
    if bank is not None:
        mask |= _BANK
        accounts = f'{accounts}"{bank}"\x1f'
    if job.annotations is not None:
        mask |= _ANNOTATIONS
        tail = f"\x1f{dumps(job.annotations).decode()}"
    if job.wait_status >= 0:
        mask |= _WAITSTATUS
        tail = f"{tail}\x1f{job.wait_status}"
    return (
        f"{mask}\x1f{job.userid}\x1f{job.urgency}\x1f{job.priority}\x1f{times}\x1f{job.state}"
        f'\x1f"{name}"\x1f"{cwd}"\x1f{accounts}{job.ntasks}\x1f{job.ncores}'
        f'\x1f{real(job.duration)}\x1f{job.nnodes}\x1f"{ranks}"\x1f"{nodelist}"'
        f"\x1f{'true' if job.success else 'false'}\x1ffalse\x1f{job.result}"
        f"\x1f{real(job.expiration)}{tail}"
    )

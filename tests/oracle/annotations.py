# SPDX-License-Identifier: LGPL-3.0
"""What a job's annotations are: the last that were set, and the memos since then.

``annotations`` says all of them anew. A ``memo`` goes into their member ``user``, object by
object; what is null goes away after that, and every object that is empty then, anywhere in
the annotations. A broker that starts again knows only the memos that were written down.
"""

from __future__ import annotations

import copy
from typing import Any

from tests.oracle.events import Boot, Event, Moment, well_formed


def annotations(life: list[Moment], ended: int) -> Any:
    """The annotations after a life; from index ``ended`` on the job was inactive.

    None: there are none.
    """
    result = None
    first = base(life, ended)
    for index, moment in enumerate(life[first:], first):
        if isinstance(moment, Boot):
            # What an inactive job has stays, whatever the new backlog shows.
            for memo in moment.memos if index < ended else ():
                result = with_memo(result, memo)
        elif moment.name == "annotations":
            result = copy.deepcopy(moment.context["annotations"])
        elif moment.name == "memo":
            result = with_memo(result, moment.context)
    return result


def base(life: list[Moment], ended: int) -> int:
    """The index from which on the annotations follow: all before is forgotten."""
    starts = [
        index
        for index, moment in enumerate(life)
        if (isinstance(moment, Boot) and index < ended)
        or (isinstance(moment, Event) and moment.name == "annotations" and well_formed(moment))
    ]
    return max(starts, default=0)


def with_memo(old: Any, memo: Any) -> Any:
    """Annotations with a memo's values; as they were, where it cannot be put into them."""
    if not isinstance(memo, dict):
        return old
    new = {} if old is None else copy.deepcopy(old)
    if not isinstance(new, dict):
        return old
    if "user" not in new:
        new["user"] = copy.deepcopy(memo)
    elif isinstance(new["user"], dict):
        overlay(new["user"], memo)
    elif memo:
        return old
    clear(new)
    return new or None


def overlay(target: dict[str, Any], values: dict[str, Any]) -> None:
    for key, value in values.items():
        if not isinstance(value, dict):
            target[key] = copy.deepcopy(value)
            continue
        if not isinstance(target.get(key), dict):
            target[key] = {}
        overlay(target[key], value)


def clear(target: dict[str, Any]) -> None:
    for key in list(target):
        if isinstance(target[key], dict):
            clear(target[key])
        if target[key] is None or target[key] == {}:
            del target[key]

# SPDX-License-Identifier: LGPL-3.0
"""A job's attributes as columns of tables, which the public view `jobs` shows.

They stand in the order of ATTRIBUTES, with values that SQL compares and that SQLite's own
functions take apart: states and results as the words that `flux jobs` prints, truth as 0 and 1,
annotations and dependencies as JSON text.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from projections.formats.json_text import dumps
from projections.job.attributes import ATTRIBUTES
from projections.job.state import RESULTS, STATES, Job

_PLACE = {name: place for place, name in enumerate(ATTRIBUTES)}
_STATE, _RESULT = _PLACE["state"], _PLACE["result"]
_RANKS, _NODELIST = _PLACE["ranks"], _PLACE["nodelist"]
_ANNOTATIONS, _DEPENDENCIES = _PLACE["annotations"], _PLACE["dependencies"]
_STATE_NAMES = {state.mask: state.name for state in STATES}
_RESULT_NAMES = {result.mask: result.name for result in RESULTS}

_NOT_STORED = {"state", "annotations"}  # of inactive jobs: always the same, and in the answer
_stored = itemgetter(*(place for name, place in _PLACE.items() if name not in _NOT_STORED))


def of_active(values: Sequence[Any]) -> list[Any]:
    """Return the columns of an active job; ``values``: what `attributes.values_of` returned."""
    found = list(values)
    found[_STATE] = _STATE_NAMES[found[_STATE]]
    for place in (_ANNOTATIONS, _DEPENDENCIES):
        if found[place] is not None:
            found[place] = dumps(found[place]).decode()
    return found


def of_inactive(values: Sequence[Any], job: Job) -> tuple[Any, ...]:
    """Return those of an inactive job, without state and annotations.

    ``ranks`` and ``nodelist`` are also those of a job that never reached RUN, whose answer has
    none: constraints compare them.
    """
    found = list(values)
    found[_RESULT] = _RESULT_NAMES[job.result]
    found[_RANKS], found[_NODELIST] = job.ranks, job.nodelist
    if found[_DEPENDENCIES] is not None:
        found[_DEPENDENCIES] = dumps(found[_DEPENDENCIES]).decode()
    columns: tuple[Any, ...] = _stored(found)
    return columns

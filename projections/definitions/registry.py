# SPDX-License-Identifier: LGPL-3.0
"""The projections that are installed: the built-in ones, and those of a site.

A site's package names its projections in the entry point group ``flux_jobdb.projections``
(docs/projections.md has an example).

What is wrong with a site's projection is no reason to stop: it is named, and left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from importlib.metadata import entry_points
from typing import Any, NamedTuple

from eventstore.errors import JobdbError, StoreError
from projections.definitions.accounting import Accounting
from projections.definitions.active import Active
from projections.definitions.inactive import Inactive
from projections.definitions.interface import Projection, check
from projections.definitions.nodes import NodeViews
from projections.definitions.reports import Reports
from projections.definitions.stats import Stats
from projections.definitions.waits import Waits

GROUP = "flux_jobdb.projections"
"""The entry point group; each entry point names an object with the interface `Projection`."""

BUILTIN: tuple[Projection, ...] = (
    Active(), Inactive(), Accounting(), Stats(), Reports(), Waits(), NodeViews(),
)  # fmt: skip

RAISED = (Exception, SystemExit)
"""What a site's code may raise, and does not stop the program."""

_MOST = 200  # characters of a reason


class Broken(NamedTuple):
    """A projection that cannot be used, and why, in one line."""

    name: str
    reason: str


class Installed(NamedTuple):
    """The projections that can be used, the built-in ones first, and those that cannot."""

    sound: list[Projection]
    broken: list[Broken]


def installed() -> list[Projection]:
    """Return the projections that can be used: the built-in ones, then those of a site."""
    return find().sound


def find() -> Installed:
    """Load the projections of the entry points; the built-in ones are always sound."""
    return _sorted_out(BUILTIN, ((one.name, one.load) for one in entry_points(group=GROUP)))


def checked(projections: Iterable[Projection]) -> Installed:
    """Return which of these can be used, and which cannot."""
    return _sorted_out((), (("projection", partial(_given, one)) for one in projections))


def _given(projection: Projection) -> Projection:
    return projection


def is_builtin(projection: Projection) -> bool:
    """Whether it is ours: a failure of it is a fault of the program."""
    return any(projection is one for one in BUILTIN)


def _sorted_out(
    sound: Sequence[Projection], loaders: Iterable[tuple[str, Callable[[], Any]]]
) -> Installed:
    found = {projection.name: projection for projection in sound}
    broken: dict[str, Broken] = {}
    for label, load in loaders:
        names = [label]
        try:
            projection = load()
            names.insert(0, str(getattr(projection, "name", label)))
            check(projection)
            if projection.name in found:
                raise StoreError(f"the name {projection.name} is taken; rename one")
            found[projection.name] = projection
        except RAISED as error:
            free = (name for name in names if name not in found and name not in broken)
            name = next(free, f"{label} of {GROUP}")
            broken[name] = Broken(name, reason_of(error))
    return Installed(list(found.values()), list(broken.values()))


def reason_of(error: BaseException) -> str:
    """Return what a site's code raised, in one line."""
    try:
        text = " ".join(str(error).split())
    except RAISED:
        text = ""
    kind = "" if isinstance(error, JobdbError) and text else type(error).__name__
    return f"{kind}{': ' if kind and text else ''}{text[:_MOST]}"

# SPDX-License-Identifier: LGPL-3.0
"""What guests can do with requests alone: rows 2, 3, 4, 6 and 7 of the table of attacks.

Beside each attack an innocent client asks for five jobs every 50 ms, and jobs run.
"""

from __future__ import annotations

import resource

import pytest

from tests.flux.attacks.conftest import Target
from tests.flux.attacks.instance import until
from tests.flux.attacks.sampler import memory
from tests.flux.attacks.siege import SHORT, besiege

pytestmark = pytest.mark.flux

_LEFT = 8
"""MiB that an attack may leave, of Python's own and of caches."""


@pytest.mark.parametrize("kind", ["unread-streams"])
def test_streams_that_nobody_reads(long_history: Target, kind: str) -> None:
    """Row 2: a thousand of them over one connection."""
    long_history.held(besiege(long_history.flux(), kind))


def test_streams_that_nobody_reads_with_few_descriptors(long_history: Target) -> None:
    """Row 2, where the module may have 1,024 files open."""
    flux = long_history.flux()
    resource.prlimit(flux.module, resource.RLIMIT_NOFILE, (1024, 1024))
    try:
        found = besiege(flux, "unread-streams", name="unread-streams, few descriptors")
    finally:
        long_history.stop()
    long_history.held(found)


@pytest.mark.parametrize("kind", ["integer-19-digits", "brackets"])
def test_texts_that_are_slow_to_parse(long_history: Target, kind: str) -> None:
    """Row 3: one integer, or many brackets, and an exact parser reads megabytes."""
    long_history.held(besiege(long_history.flux(), kind))


@pytest.mark.parametrize("kind", ["or-tower-of-names", "time-windows"])
def test_constraints_that_are_slow_to_plan(long_history: Target, kind: str) -> None:
    """Row 4: values under a thousand operators; tens of thousands of periods."""
    long_history.held(besiege(long_history.flux(), kind))


def test_all_jobs_in_one_response(long_history: Target) -> None:
    """Row 6: a list that is no stream, of all of history."""
    long_history.held(besiege(long_history.flux(), "not-streaming"))


def test_large_names_with_many_sets_of_attributes(large_names: Target) -> None:
    """Row 7: what is remembered of answers is counted in bytes."""
    large_names.held(besiege(large_names.flux(), "large-names"))


def test_large_requests_leave_no_memory_behind(long_history: Target) -> None:
    """What they took goes back to the system: the module stays as small as it was."""
    long_history.stop()  # of a new one it is known how small that is
    flux = long_history.flux()
    for kind in ("names", "long-string"):
        found = besiege(flux, kind, SHORT, name=f"{kind}, memory afterwards")
        assert found.alive
        most = (found.memory_before + _LEFT) * 2**20
        assert until(lambda: memory(flux.module) < most, 5), memory(flux.module)  # noqa: B023

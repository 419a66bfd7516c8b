# SPDX-License-Identifier: LGPL-3.0
"""Guests' requests of all kinds that could be expensive: each by itself, for some seconds."""

from __future__ import annotations

import pytest

from tests.flux.attacks.conftest import Target
from tests.flux.attacks.payloads import VARIANTS
from tests.flux.attacks.siege import SHORT, besiege

pytestmark = pytest.mark.flux

SPECIAL = (
    "unread-lists",
    "watchers",
    "unread-watchers",
    "unknown-ids",
    "waited-states",
    "disconnects",
)
"""What is no request that is sent again and again; `clients.py` has them."""


@pytest.mark.parametrize("kind", VARIANTS)
def test_requests(long_history: Target, kind: str) -> None:
    long_history.held(besiege(long_history.flux(), kind, SHORT))


@pytest.mark.parametrize("kind", SPECIAL)
def test_clients(long_history: Target, kind: str) -> None:
    """Clients that wait, that watch, that do not read, that go away; jobs run beside."""
    long_history.held(besiege(long_history.flux(), kind))


def test_two_hundred_at_once(long_history: Target) -> None:
    long_history.held(
        besiege(
            long_history.flux(), "small-streams", SHORT, inflight=200, name="200 small streams"
        )
    )

# SPDX-License-Identifier: LGPL-3.0
"""A short search for requests that hold up others; `fuzz_guest` does long ones."""

from __future__ import annotations

import os
import random

import pytest

from tests.flux.attacks.torture.fuzz_guest import run
from tests.flux.attacks.torture.genes import KINDS, MOST, Gene, fresh, request

REQUESTS = int(os.environ.get("ATTACK_REQUESTS", "150"))


@pytest.mark.flux
@pytest.mark.usefixtures("flux_program")
def test_no_request_holds_up_others() -> None:
    found = run(REQUESTS, seed=13)
    assert [] == found["faults"], found["worst"]


@pytest.mark.parametrize("kind", range(len(KINDS)), ids=lambda n: KINDS[n].__name__)
def test_a_gene_is_a_request(kind: int) -> None:
    """Of about the size that it says, always the same, and never too large."""
    rng = random.Random(kind)
    for _ in range(20):
        gene = fresh(rng)._replace(kind=kind, size=1 + rng.randrange(50_000))
        asked = request(gene)
        assert asked == request(gene)
        assert len(asked.text) <= MOST
    large = request(Gene(kind=kind, size=MOST, height=300, other=1))
    assert len(large.text) <= MOST

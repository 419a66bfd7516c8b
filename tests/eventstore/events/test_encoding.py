# SPDX-License-Identifier: LGPL-3.0
"""Encoding where memory ends; in a process of its own, which msgspec's `encode` would end."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest

from eventstore.events.encoding import to_json, to_msgpack
from tests.support.flux.instance import ROOT
from tests.support.processes.no_memory import need_failing

VALUES = [None, 1.5, "é", ["a", {"b": [1, 2]}], {"name": "x" * 100_000}, list(range(5000))]
_WITHOUT_MEMORY = """
from eventstore.events.encoding import to_json, to_msgpack
from tests.support.processes.no_memory import fails_at
for encode in (to_json, to_msgpack):
    found = []
    step = lambda: found.append(encode({"names": ["job"] * 500}))
    step()
    print(next(number for number in range(1, 100) if not fails_at(number, step)) - 1)
    assert found[0] == found[1]
"""


@pytest.mark.parametrize("value", VALUES)
def test_values_are_encoded_as_msgspec_does(value: object) -> None:
    assert msgspec.json.encode(value) == to_json(value)
    assert msgspec.msgpack.encode(value) == to_msgpack(value)


def test_without_memory_it_is_an_error_that_can_be_caught() -> None:
    need_failing()
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_MEMORY],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert 0 == done.returncode, done.stderr
    assert all(int(errors) > 5 for errors in done.stdout.split())

# SPDX-License-Identifier: LGPL-3.0
"""The memory of large blocks goes back to the system, whatever comes after them."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from joblist.broker import heap
from joblist.broker.heap import DELAY, LARGE, Heap
from tests.support.fake_bus import FakeBus

MIB = 2**20
_CODE = """
import ctypes, resource, sys
from pathlib import Path
from joblist.broker.heap import give_back

def resident():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
size = 16 * 2**20
libc.free(libc.malloc(size))  # from now on, others as large come from the heap
before = resident()
large = libc.malloc(size)
ctypes.memset(large, 1, size)
above = [libc.malloc(100_000) for _ in range(100)]
libc.free(large)
if sys.argv[1] == "given back":
    give_back()
print(resident() - before)
"""


def left(how: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", _CODE, how], check=True, capture_output=True, text=True
    )
    return int(done.stdout)


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_trim"),
    reason="no malloc_trim",
)
def test_a_large_block_is_given_back() -> None:
    assert left("given back") < 4 * MIB
    assert left("as usual") > 12 * MIB  # or this is no test


def test_memory_is_given_back_once_after_some_large_messages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: list[float] = []
    bus = FakeBus()
    monkeypatch.setattr(heap, "give_back", lambda: given.append(1))
    held = False
    kept = Heap(bus.timer, lambda: held)
    kept.message(LARGE - 1)
    bus.pass_time(2 * DELAY)
    assert [] == given
    for _ in range(3):  # more that come do not put it off
        kept.message(LARGE)
        bus.pass_time(0.6 * DELAY)
    assert [1] == given
    held = True  # one is not answered yet
    bus.pass_time(2 * DELAY)
    held = False
    bus.pass_time(DELAY)
    assert 4 == len(given)
    bus.pass_time(5 * DELAY)
    assert 4 == len(given)

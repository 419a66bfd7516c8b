# SPDX-License-Identifier: LGPL-3.0
"""Requests that grow: reading, checking and planning them, for each kind of nesting.

Nothing is found: the database is empty. Floor: the time, or memory, of a request of an eighth
of the size, times eight. What takes more than in proportion to the size misses its target.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

from bench.histories import Bench
from bench.report import Row
from bench.timing import repeat
from eventstore.storage.connection import create_or_open
from joblist.config import Config
from joblist.protocol.errors import RpcError
from joblist.protocol.requests import Credential
from joblist.service import Request, Service
from projections.engine.views import Views
from tests.flux.attacks.payloads import (
    extra,
    listing,
    many,
    mixed_tower,
    nested,
    repeated,
    tower,
    tower_beside,
    values,
    windows,
)
from tests.support.processes.memory import peak_memory

__all__ = ["KINDS", "measure"]

TIMES = 8
PROPORTION = 2
"""How much more than in proportion it may be: Python's collector of cycles adds some."""
_INTEGER = ',"y":1234567890123456789'

KINDS: dict[str, Callable[[int], str]] = {
    "one or in another": lambda n: listing(tower("or", 100, values("name", 120 * n))).text,
    "not in not": lambda n: listing(tower("not", 100, values("name", 120 * n))).text,
    "and, with a child beside": lambda n: listing(
        tower_beside("and", 6 * n, '{"name":["a"]}')
    ).text,
    "or, with a child beside": lambda n: listing(
        tower_beside("or", 6 * n, '{"name":["a"]}')
    ).text,
    "and, or, not by turns": lambda n: listing(mixed_tower(6 * n, '{"userid":[1]}')).text,
    "or of ors": lambda n: listing(many("or", [many("or", ['{"name":["a"]}'] * 20)] * n)).text,
    "and of ors of names": lambda n: listing(
        many("and", [many("or", [values("name", 10)] * 4)] * n)
    ).text,
    "windows of time": lambda n: listing(windows(20 * n)).text,
    "names": lambda n: listing(values("name", 200 * n)).text,
    "users": lambda n: listing(values("userid", 200 * n, "{}")).text,
    "hosts": lambda n: listing(values("hostlist", 200 * n, '"node{}"')).text,
    "ranks": lambda n: listing(values("ranks", 200 * n, '"{}"')).text,
    "attributes": lambda n: listing(attrs=repeated('"name"', 2000 * n)).text,
    "brackets": lambda n: extra(repeated("[]", 2000 * n)).text,
    "brackets, and an integer": lambda n: listing(
        more=f',"x":{repeated("[]", 2000 * n)}{_INTEGER}'
    ).text,
    "braces in braces": lambda n: extra(nested('{"a":', "}", 2000 * n)).text,
    "integers of 19 digits": lambda n: extra(
        repeated("1234567890123456789", 2000 * n)
    ).text,
}  # fmt: skip
"""What makes a request that grows with a number, in proportion."""
SMALL = 20


def measure(bench: Bench) -> Iterator[Row]:
    """Compare requests with those of an eighth of the size."""
    del bench  # no history: a request alone
    with create_or_open(":memory:") as store:
        Views(store)
        service = Service(store, Config())
        for kind, text in KINDS.items():
            yield from _compare(
                service, kind, text(SMALL).encode(), text(SMALL * TIMES).encode()
            )


def _compare(service: Service, kind: str, small: bytes, large: bytes) -> Iterator[Row]:
    ratio = len(large) / len(small)
    what = f"{kind}, {len(large) / 1000:,.0f} kB"
    asks = [partial(_ask, service, text) for text in (small, large)]
    little, much = (taken.processor * 1000 for taken in repeat(*asks))
    yield _row(what, much, little * ratio, "ms")
    little, much = (peak_memory(ask) / 1e6 for ask in asks)
    yield _row(what, much, little * ratio, "MB")


def _row(what: str, value: float, floor: float, unit: str) -> Row:
    return Row("requests", what, value, unit, PROPORTION * floor,
               floor=floor, floor_of="an eighth of it, times eight")  # fmt: skip


def _ask(service: Service, text: bytes) -> None:
    with suppress(RpcError):
        service.answer(Request("job-list.list", text, Credential(), streaming=False))

# SPDX-License-Identifier: LGPL-3.0
"""Requests that a search for expensive ones makes: a few numbers each, which can be changed
a little. Pure: the same gene is always the same request.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import NamedTuple

from tests.flux.attacks.payloads import MIB, Ask, listing, many, tower, values, windows

MOST = 8 * MIB
"""Bytes of the largest request."""

_SCALARS = (
    "0",
    "1234567890123456789",
    "-9223372036854775808",
    "12345678901234567890",
    "1.5e300",
    "1e400",
    "true",
    "null",
    '"a"',
    '"\\ud83d\\ude00"',
    '"\\ud83d"',
    '"\\u0000"',
    '"\\n\\t\\\\"',
    "[]",
    "{}",
    '{"a":[]}',
    '"' + "x" * 1000 + '"',
    "1" * 1000,
    "tru",
    "]",
)
_LEAVES = (
    ("name", '"v{}"'),
    ("name", '"lammps-{}"'),
    ("queue", '"q{}"'),
    ("userid", "{}"),
    ("states", '"inactive"'),
    ("results", '"completed"'),
    ("hostlist", '"node{}"'),
    ("hostlist", '"node[{}-9{}]"'),
    ("ranks", '"{}"'),
    ("ranks", '"{}-4000"'),
    ("t_run", '">{}"'),
    ("t_submit", '"<=17000{}.5"'),
    ("t_nothing", '">{}"'),
)
_JUNCTIONS = ("and", "or", "not")
_ATTRS = (
    '["state"]',
    '["all"]',
    "[]",
    '["name","nodelist"]',
    '["annotations","dependencies"]',
    '["none"]',
    '["state","state","id"]',
    "[0]",
)
_MOST_ENTRIES = ("1", "5", "1000", "100000", "0", "-1", "4294967297")


class Gene(NamedTuple):
    """``kind`` chooses what the request is of, ``size`` is about how many bytes it has; the
    others are numbers that each kind uses as it likes, modulo what it has of them."""

    kind: int = 0
    size: int = 1
    height: int = 1
    width: int = 1
    item: int = 0
    other: int = 0
    attrs: int = 0
    entries: int = 0
    streaming: int = 0
    cut: int = 0


def fresh(rng: random.Random) -> Gene:
    """Return any gene; sizes and numbers are as often small as large."""

    def some(most: int) -> int:
        return int(most ** rng.random())

    return Gene(
        rng.randrange(len(KINDS)),
        some(MOST),
        some(200_000),
        some(1000),
        rng.randrange(100),
        rng.randrange(100),
        rng.randrange(100),
        rng.randrange(100),
        rng.randrange(2),
        some(1000) if rng.random() < 0.05 else 0,
    )


def changed(rng: random.Random, gene: Gene, partner: Gene) -> Gene:
    """Return a gene that is like one of the two, but for a few numbers."""
    numbers = list(gene)
    for _ in range(rng.randrange(1, 4)):
        place = rng.randrange(len(numbers))
        choice = rng.random()
        if choice < 0.3:
            numbers[place] = partner[place]
        elif choice < 0.5:
            numbers[place] = fresh(rng)[place]
        else:
            numbers[place] = int(numbers[place] * 4 ** rng.uniform(-1, 1) + rng.randrange(2))
    numbers[1] = max(1, min(MOST, numbers[1]))
    return Gene(*numbers)


def request(gene: Gene) -> Ask:
    """Return the request that a gene stands for, of at most ``MOST`` bytes."""
    asked = KINDS[gene.kind % len(KINDS)](gene)
    text = asked.text
    if gene.cut:  # what ends before its end, or has something behind it
        text = text[: -gene.cut] if gene.cut % 2 else text + "x" * gene.cut
    return asked._replace(text=text[:MOST], streaming=bool(gene.streaming % 2))


def _of(gene: Gene, constraint: str | None = None, more: str = "") -> Ask:
    return listing(
        constraint,
        attrs=_ATTRS[gene.attrs % len(_ATTRS)],
        most=_MOST_ENTRIES[gene.entries % len(_MOST_ENTRIES)],
        more=more,
    )


def _scalar(number: int) -> str:
    return _SCALARS[number % len(_SCALARS)]


def _leaf(gene: Gene, size: int) -> str:
    operator, form = _LEAVES[gene.item % len(_LEAVES)]
    return values(operator, max(1, size // (len(form) + 6)), form.replace("9{}", "9"))


def _array(gene: Gene) -> Ask:
    """An ignored member: an array of scalars, with another one somewhere."""
    item = _scalar(gene.item)
    count = max(1, gene.size // (len(item) + 1))
    items = [item] * count
    items[gene.width % count] = _scalar(gene.other)
    return _of(gene, more=f',"x":[{",".join(items)}]')


def _nested(gene: Gene) -> Ask:
    """An ignored member: arrays and objects in each other, again and again."""
    begin, end = ("[", "]") if gene.item % 2 else ('{"a":', "}")
    height = min(gene.height, max(1, gene.size // (len(begin) + len(end))))
    one = begin * height + _scalar(gene.other) + end * height
    return _of(gene, more=f',"x":[{",".join([one] * max(1, gene.size // len(one)))}]')


def _members(gene: Gene) -> Ask:
    """Many members, the same or not."""
    count = max(1, gene.size // 12)
    names = (f"m{n % (gene.width * 100)}" for n in range(count))
    item = _scalar(gene.item)[:100]
    return _of(gene, more="," + ",".join(f'"{name}":{item}' for name in names))


def _values(gene: Gene) -> Ask:
    return _of(gene, _leaf(gene, gene.size))


def _tower(gene: Gene) -> Ask:
    operator = _JUNCTIONS[gene.other % 3]
    height = min(gene.height, gene.size // 12)
    return _of(gene, tower(operator, height, _leaf(gene, max(1, gene.size - 12 * height))))


def _product(gene: Gene) -> Ask:
    """Junctions of junctions: what multiplies when it is multiplied out."""
    inner = _leaf(gene, max(1, gene.height % 300))
    levels = 2 + gene.other % 3
    width = max(2, int((gene.size / len(inner)) ** (1 / levels)))
    text = inner
    for level in range(levels):
        text = many(_JUNCTIONS[(gene.width + level) % 3], [text] * width)
    return _of(gene, text)


def _different(gene: Gene) -> Ask:
    """A junction of leaves of all kinds, each with some values."""
    each = max(1, gene.width)
    leaves = [_leaf(gene._replace(item=gene.item + n), each) for n in range(len(_LEAVES))]
    count = max(1, gene.size // sum(map(len, leaves)))
    return _of(gene, many(_JUNCTIONS[gene.other % 3], leaves * count))


def _windows(gene: Gene) -> Ask:
    inner = windows(max(1, gene.size // 70))
    return _of(gene, tower(_JUNCTIONS[gene.other % 3], gene.item % 3, inner))


def _attrs(gene: Gene) -> Ask:
    names = ("state", "name", "all", "annotations", "t_run", "ranks")
    some = [names[(n * gene.width + gene.item) % 6] for n in range(max(1, gene.size // 9))]
    if gene.other % 4 == 0:
        some.append("none")
    return _of(gene)._replace(text=f'{{"max_entries":{gene.other},"attrs":{json.dumps(some)}}}')


def _since(gene: Gene) -> Ask:
    digits = str(gene.other) * max(1, gene.size // 2)
    form = (f"{digits}", f"0.{digits}", f"1e{digits}", f'"{digits}"')[gene.item % 4]
    return _of(gene, more=f',"since":{form}')


def _ranges(gene: Gene) -> Ask:
    """A hostlist or a set of ranks, written in one text."""
    step = 1 + gene.width % 5
    parts = (f"{n * step}-{n * step + gene.other}" for n in range(max(1, gene.size // 10)))
    text = ",".join(parts)
    if gene.item % 2:
        return _of(gene, f'{{"ranks":["{text}"]}}')
    prefix = "n[0-9]" * (gene.height % 8)
    return _of(gene, f'{{"hostlist":["{prefix}n[{text}]"]}}')


def _brackets(gene: Gene) -> Ask:
    """A text that is a host's name, a number or nothing, and long."""
    piece = ("[", "]", "0", "n[", "[0-", ",", "-", "0x", "\\n", "\\u00e9")[gene.other % 10]
    operator, _ = _LEAVES[gene.item % len(_LEAVES)]
    sign = ">" if operator.startswith("t_") else ""
    text = piece * max(1, gene.size // len(piece))
    return _of(gene, f'{{"{operator}":["{sign}{text}"]}}')


def _one_job(gene: Gene) -> Ask:
    digits = str(gene.other) * (1 + gene.item % 40)
    more = f'{{"id":{digits},"attrs":{_ATTRS[gene.attrs % len(_ATTRS)]},"state":{gene.width}'
    return Ask("list-id", f'{more},"x":{"[" * gene.size}{"]" * gene.size}}}')


def _others(gene: Gene) -> Ask:
    method = ("list-attrs", "job-stats", "stats-get", "list", "list-id")[gene.item % 5]
    piece = _scalar(gene.other)
    return Ask(method, piece * max(1, gene.size // len(piece)))


KINDS: tuple[Callable[[Gene], Ask], ...] = (
    _array,
    _nested,
    _members,
    _values,
    _tower,
    _product,
    _different,
    _windows,
    _attrs,
    _since,
    _ranges,
    _brackets,
    _one_job,
    _others,
)
"""What makes the text of a request from a gene."""

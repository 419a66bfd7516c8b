# SPDX-License-Identifier: LGPL-3.0
"""Requests that are made to be expensive, by name. Pure: names and sizes in, texts out.

``PLANS`` has, for each name, what makes the requests that its attacker sends by turns. Sizes
are in bytes of the request's text unless said otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import permutations
from typing import NamedTuple

MIB = 2**20


class Ask(NamedTuple):
    """A request: the service's method, the payload's text, whether responses are a stream."""

    method: str
    text: str
    streaming: bool = False


def listing(
    constraint: str | None = None,
    *,
    attrs: str = '["state"]',
    most: str = "5",
    more: str = "",
    streaming: bool = False,
) -> Ask:
    """Return a list request, members as JSON text: they may be what no encoder would write."""
    text = f'{{"max_entries":{most},"attrs":{attrs}'
    if constraint is not None:
        text += f',"constraint":{constraint}'
    return Ask("list", f"{text}{more}}}", streaming)


def tower(operator: str, height: int, inner: str = '{"states":["inactive"]}') -> str:
    """Return ``height`` operators, each with the next one as its only child."""
    return f'{{"{operator}":[' * height + inner + "]}" * height


def tower_beside(operator: str, height: int, inner: str) -> str:
    """Return a tower each of whose levels has a small second child."""
    return f'{{"{operator}":[{{"name":["a"]}},' * height + inner + "]}" * height


def mixed_tower(height: int, inner: str) -> str:
    """Return a tower of and, or and not by turns, each with a second child."""
    begin, end = [], []
    for level in range(height):
        begin.append(f'{{"{("and", "or", "not")[level % 3]}":[{{"userid":[{level}]}},')
        end.append("]}")
    return "".join(begin) + inner + "".join(end)


def values(operator: str, count: int, form: str = '"v{}"') -> str:
    """Return an operator with ``count`` values, each another one."""
    return f'{{"{operator}":[{",".join(form.format(n) for n in range(count))}]}}'


def many(operator: str, children: list[str]) -> str:
    return f'{{"{operator}":[{",".join(children)}]}}'


def windows(count: int) -> str:
    """Return disjoint periods of submission, one beside the other."""
    begin = 1_700_000_000
    after, before = '{{"t_submit":[">={}"]}}', '{{"t_submit":["<{}"]}}'
    return many(
        "or",
        [
            many("and", [after.format(begin + 2 * n), before.format(begin + 2 * n + 1)])
            for n in range(count)
        ],
    )


def repeated(item: str, size: int) -> str:
    """Return an array of items with about ``size`` bytes."""
    return f"[{','.join([item] * (size // (len(item) + 1)))}]"


def nested(begin: str, end: str, size: int, inner: str = "0") -> str:
    """Return an array of small nested texts, each some levels deep, ``size`` bytes in all."""
    return repeated(begin * 8 + inner + end * 8, size)


def extra(value: str) -> Ask:
    """Return a list request with a member more that job-list ignores."""
    return listing(more=f',"x":{value}')


def _attrs(count: int) -> str:
    names = ("state", "name", "t_run", "nodelist", "ranks", "annotations", "all", "result")
    return json.dumps([names[n % len(names)] for n in range(count)])


def _list_id(text: str) -> Ask:
    return Ask("list-id", text)


Plan = Callable[[], list[Ask]]

# Rows of the table of docs/security.md that are guests' requests.
ROWS: dict[str, Plan] = {
    "integer-19-digits": lambda: [
        listing(more=f',"x":{repeated("0", 2 * MIB)},"y":1234567890123456789')
    ],
    "brackets": lambda: [extra(repeated("[]", 3 * MIB))],
    "or-tower-of-names": lambda: [listing(tower_beside("or", 1000, values("name", 100_000)))],
    "time-windows": lambda: [listing(windows(50_000))],
    "not-streaming": lambda: [listing(attrs='["all"]', most="0")],
    "large-names": lambda: [
        listing(attrs=attrs, most="0", streaming=True)
        for attrs in (
            '["all"]',
            '["name"]',
            '["name","state"]',
            '["name","t_run"]',
            '["state","name","result"]',
        )
    ],
}

_DEEP = 500_000
_JSON: dict[str, Plan] = {
    "brackets-deep": lambda: [extra("[" * _DEEP + "]" * _DEEP)],
    "braces-deep": lambda: [extra('{"a":' * _DEEP + "0" + "}" * _DEEP)],
    "brackets-open": lambda: [Ask("list", '{"max_entries":5,"x":' + "[" * 4_000_000)],
    "braces-open": lambda: [Ask("list", '{"a":' * 1_000_000)],
    "brackets-2047": lambda: [extra(repeated("[" * 2040 + "]" * 2040, 4 * MIB))],
    "braces": lambda: [extra(repeated("{}", 3 * MIB))],
    "braces-nested": lambda: [extra(nested('{"a":', "}", 4 * MIB))],
    "brackets-in-string": lambda: [extra('"' + "[" * 4_000_000 + '"')],
    "long-string": lambda: [extra('"' + "x" * 8 * MIB + '"')],
    "escapes": lambda: [extra('"' + '\\"\\\\\\n\\t' * 500_000 + '"')],
    "nul-escapes": lambda: [extra('"' + "\\u0000" * 600_000 + '"')],
    "surrogates": lambda: [extra('"' + "\\ud83d\\ude00" * 300_000 + '"')],
    "lone-surrogates": lambda: [extra('"' + "\\ud83d" * 600_000 + '"')],
    "bad-escape-at-the-end": lambda: [extra('"' + "\\n" * 1_500_000 + "\\x" + '"')],
    "digits": lambda: [extra("1" * 1_000_000)],
    "digits-of-a-real": lambda: [extra("1." + "1" * 1_000_000)],
    "digits-of-an-exponent": lambda: [extra("1e" + "1" * 1_000_000)],
    "digits-of-ids": lambda: [_list_id(f'{{"id":{"9" * 1_000_000},"attrs":["all"]}}')],
    "integers-of-19-digits": lambda: [extra(repeated("1234567890123456789", 4 * MIB))],
    "integers-of-20-digits": lambda: [extra(repeated("12345678901234567890", 4 * MIB))],
    "reals": lambda: [extra(repeated("1.7976931348623157e308", 4 * MIB))],
    "white-space": lambda: [extra(" \t\n\r" * MIB + "0")],
    "many-members": lambda: [listing(more="," + ",".join(f'"m{n}":0' for n in range(300_000)))],
    "one-member-often": lambda: [listing(more=',"constraint":{}' * 200_000)],
    "long-member-name": lambda: [listing(more=f',"{"n" * 4_000_000}":1234567890123456789')],
}

_OPERATORS: dict[str, Plan] = {
    "names": lambda: [listing(values("name", 300_000))],
    "queues": lambda: [listing(values("queue", 300_000))],
    "userids": lambda: [listing(values("userid", 500_000, "{}"))],
    "states": lambda: [listing(many("states", ['"inactive"'] * 300_000))],
    "results": lambda: [listing(many("results", ['"failed"'] * 300_000))],
    "hosts": lambda: [listing(values("hostlist", 200_000, '"node{}"'))],
    "one-long-name": lambda: [listing(values("name", 1, '"' + "n" * 4_000_000 + '"'))],
    "unknown-names-all-jobs": lambda: [
        listing(many("not", ['{"name":["none-has-it"]}', values("name", 100_000)]))
    ],
    "hosts-of-a-billion": lambda: [listing('{"hostlist":["n[0-999999999]"]}')],
    "hosts-of-many-ranges": lambda: [
        listing(
            values("hostlist", 1, '"n[' + ",".join(str(2 * n) for n in range(400_000)) + ']"')
        )
    ],
    "hosts-of-dimensions": lambda: [listing('{"hostlist":["n' + "[0-9]" * 200_000 + '"]}')],
    "hosts-of-open-brackets": lambda: [listing('{"hostlist":["' + "n[" * 1_000_000 + '"]}')],
    "hosts-with-long-numbers": lambda: [
        listing('{"hostlist":["n[' + "0" * 500_000 + "1-" + "9" * 500_000 + ']"]}')
    ],
    "ranks-of-4-billion": lambda: [listing('{"ranks":["0-4294967294"]}')],
    "ranks-of-many-ranges": lambda: [
        listing(values("ranks", 1, '"' + ",".join(str(2 * n) for n in range(400_000)) + '"'))
    ],
    "ranks-in-many-values": lambda: [listing(values("ranks", 300_000, '"{}"'))],
    "ranks-with-long-numbers": lambda: [listing('{"ranks":["' + "9" * 1_000_000 + '"]}')],
    "time-with-many-digits": lambda: [listing('{"t_run":[">' + "1" * 1_000_000 + '"]}')],
    "time-in-hexadecimal": lambda: [listing('{"t_run":[">0x' + "f" * 1_000_000 + 'p-9"]}')],
    "times": lambda: [listing(many("or", [f'{{"t_run":[">{n}.5"]}}' for n in range(150_000)]))],
    "since-nan": lambda: (
        [
            listing(most="0", more=f',"since":{since}')
            for since in ("nan", "NaN", "1e400", "-0.0", "1e308", "4294967296123456789")
        ]
        + [listing('{"t_submit":[">=nan"]}', most="0", streaming=True)]
    ),
    "not-tower": lambda: [listing(tower("not", 150_000))],
    "and-tower": lambda: [listing(tower("and", 150_000))],
    "or-tower-1000": lambda: [listing(tower("or", 1000, values("name", 100_000)))],
    "and-tower-beside": lambda: [listing(tower_beside("and", 1000, values("queue", 100_000)))],
    "not-tower-beside": lambda: [
        listing(tower_beside("not", 1000, values("hostlist", 1000, '"node{}"')))
    ],
    "or-of-40000-in-a-tower": lambda: [
        listing(
            tower("or", 1000, many("or", [values("name", 1, f'"v{n}"') for n in range(40_000)]))
        )
    ],
    "not-tower-1000": lambda: [listing(tower("not", 1000, values("name", 100_000)))],
    "and-tower-1000": lambda: [listing(tower("and", 1000, values("userid", 200_000, "{}")))],
    "mixed-tower": lambda: [listing(mixed_tower(60_000, '{"ranks":["0-99"]}'))],
    "mixed-tower-1000": lambda: [listing(mixed_tower(1000, values("name", 100_000)))],
    "or-of-ors": lambda: [listing(many("or", [many("or", ['{"name":["a"]}'] * 300)] * 300))],
    "and-of-ors": lambda: [listing(many("and", [many("or", [values("name", 30)] * 20)] * 200))],
    "and-of-or-of-and": lambda: [
        listing(many("and", [many("or", [many("and", ['{"userid":[1]}'] * 40)] * 40)] * 40))
    ],
    "nots-of-windows": lambda: [listing(many("not", [windows(20_000)]))],
    "empty-operators": lambda: [listing(many("or", ['{"and":[]}'] * 300_000))],
    "empty-constraints": lambda: [listing(many("and", ["{}"] * 900_000))],
    "no-match-in-all-jobs": lambda: [
        listing(many("and", ['{"not":[{"userid":[4294967294]}]}', '{"hostlist":["none"]}']))
    ],
    "an-error-at-the-end": lambda: [
        listing(many("or", ['{"name":["a"]}'] * 200_000 + ['{"nothing":[]}']))
    ],
    "attrs": lambda: [listing(attrs=_attrs(300_000), most="0", streaming=True)],
    "attrs-duplicate": lambda: [
        listing(attrs=json.dumps(["name"] * 500_000), most="0", streaming=True)
    ],
    "attrs-unknown": lambda: [listing(attrs=json.dumps(["x" * 1_000_000]), most="0")],
    "attrs-of-nothing": lambda: [listing(attrs=repeated("null", 4 * MIB))],
    "attrs-in-orders": lambda: [
        listing(attrs=json.dumps(order), most="0", streaming=True)
        for order in permutations(["name", "state", "t_run", "nodelist"])
    ],
    "list-id-attrs": lambda: [_list_id(f'{{"id":1,"attrs":{_attrs(300_000)}}}')],
    "list-id-brackets": lambda: [
        _list_id(f'{{"id":1,"attrs":["all"],"x":{repeated("[]", 3 * MIB)}}}')
    ],
    "stats-payload": lambda: [Ask("job-stats", f'{{"x":{repeated("[]", 3 * MIB)}}}')],
    "legacy-members": lambda: [
        listing(more=f',"userid":1,"states":0,"results":0,"name":"{"n" * 4_000_000}"')
    ],
}

_MANY: dict[str, Plan] = {
    "small-streams": lambda: [listing(most="1", streaming=True)],
    "streams-of-3000": lambda: [listing(most="3000", attrs='["all"]', streaming=True)],
    "long-streams-read": lambda: [listing(most="0", attrs='["all"]', streaming=True)],
    "all-of-many-kinds": lambda: [
        ask
        for name in ("brackets", "or-tower-of-names", "time-windows")
        for ask in ROWS[name]()
    ],
}

VARIANTS: dict[str, Plan] = {**_JSON, **_OPERATORS, **_MANY}
PLANS: dict[str, Plan] = {**ROWS, **VARIANTS}
"""What makes the requests of each attack, by its name."""

# SPDX-License-Identifier: LGPL-3.0
"""What job-list takes from R (RFC 20): everything spelled out, rank by rank, host by host."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator
from typing import Any

from tests.oracle.events import ABSENT, integer, string
from tests.oracle.jobspec import Fact, Unreadable, member, need, number, option, set_path

Node = dict[str, set[int]]  # its children by type, as sets of ids


def reading(R: Any, facts: dict[str, Any]) -> Iterator[Fact]:  # noqa: N803 - Flux's name
    """Yield what follows from R, to a job of which ``facts`` are known."""
    try:
        nodes, hosts, expiration = parsed(R)
    except Unreadable:
        return
    yield "expiration", expiration
    yield "nnodes", len(nodes)
    if facts.get("tasks per node"):
        yield "ntasks", len(nodes) * facts["tasks per node"]
    yield "ranks", encoded(nodes, brackets=len(nodes) > 1)
    if hosts is None and nodes:
        return  # no names to be had, and with them goes what would come next
    yield "nodelist", compressed(hosts or [])
    cores = sum(len(node["core"]) for node in nodes.values())
    yield "ncores", cores
    if facts.get("tasks per core"):
        yield "ntasks", cores * facts["tasks per core"]


def updated(R: Any, updates: dict[str, Any]) -> Any:  # noqa: N803
    """R after a ``resource-update``, which may change the expiration and nothing else."""
    result = copy.deepcopy(R)
    if "expiration" in updates:
        set_path(result, ["execution", "expiration"], updates["expiration"])
    return result


def parsed(R: Any) -> tuple[dict[int, Node], list[str] | None, float]:  # noqa: N803
    """Ranks with what they have, host names (None: not given), expiration (0: none)."""
    version, execution = member(R, "version", integer), member(R, "execution", dict)
    entries = member(execution, "R_lite", lambda value: value is not ABSENT)
    option(execution, "nslots", integer)
    option(execution, "starttime", number)
    given = option(execution, "expiration", number)
    need(version, lambda value: value == 1)
    nodes: dict[int, Node] = {}
    for entry in entries if isinstance(entries, list) else []:
        place(nodes, entry)
    hosts = None
    if "nodelist" in execution:
        hosts = hosts_of(execution["nodelist"])
        need(hosts, lambda names: len(names) == len(nodes))
    if "properties" in execution:
        check_properties(need(execution["properties"], dict), nodes)
    return nodes, hosts, float(given) if given is not ABSENT and given > 0 else 0.0


def place(nodes: dict[int, Node], entry: Any) -> None:
    """Give an entry's children to each of its ranks; the same child twice is an error."""
    ranks = ids(member(entry, "rank", string))
    children = member(entry, "children", lambda value: value is not ABSENT)
    if not isinstance(children, dict):
        children = {}
    owned = {kind: ids(need(text, string)) for kind, text in children.items()}
    for rank in ranks:
        node = nodes.setdefault(rank, {"core": set()})
        for kind, more in owned.items():
            if node.setdefault(kind, set()) & more:
                raise Unreadable
            node[kind] |= more


def check_properties(properties: dict[str, Any], nodes: dict[int, Node]) -> None:
    for name, targets in properties.items():
        need(name, lambda text: not set(text) & set("^&'\"`|()"))
        need(ids(need(targets, string)), lambda ranks: ranks <= set(nodes))


def ids(text: str) -> set[int]:
    """The numbers that an idset names (RFC 22), which ascend."""
    text = text[1:-1] if text[:1] == "[" and text[-1:] == "]" and len(text) > 1 else text
    found: list[int] = []
    for part in filter(None, text.split(",")):
        match = re.fullmatch(r"(0|[1-9][0-9]*)(?:-(0|[1-9][0-9]*))?", part, re.ASCII)
        if match is None:
            raise Unreadable
        low = int(match[1])
        high = low if match[2] is None else int(match[2])
        if (match[2] is not None and high <= low) or (found and low <= found[-1]):
            raise Unreadable
        found.extend(range(low, high + 1))
    return set(found)


def encoded(numbers: Iterable[int], *, brackets: bool) -> str:
    """An idset, with ranges."""
    text = ",".join(
        str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs(numbers)
    )
    return f"[{text}]" if brackets else text


def runs(numbers: Iterable[int]) -> list[list[int]]:
    found: list[list[int]] = []
    for number_ in sorted(numbers):
        if found and found[-1][-1] + 1 == number_:
            found[-1].append(number_)
        else:
            found.append([number_])
    return found


def hosts_of(nodelist: Any) -> list[str]:
    """All names of a nodelist (RFC 29); what is no string in it names none."""
    lists = nodelist if isinstance(nodelist, list) else []
    return [name for text in lists if isinstance(text, str) for name in expanded(text)]


def expanded(text: str) -> list[str]:
    """The names of a hostlist with at most one pair of brackets a name."""
    names: list[str] = []
    for part in filter(None, re.split(r",(?![^\[]*\])", text)):
        match = re.fullmatch(r"([^\[\]]*)\[([0-9,-]+)\]([^\[\]]*)", part, re.ASCII)
        if match is None:
            names.append(need(part, lambda name: not set(name) & set("[]")))
            continue
        for span in match[2].split(","):
            low, _, high = span.partition("-")
            width, end = len(low), int(need(high or low, str.isdigit))
            start = int(need(low, str.isdigit))
            need(end, lambda value, start=start: value >= start)
            names += [f"{match[1]}{n:0{width}}{match[3]}" for n in range(start, end + 1)]
    return names


def compressed(hosts: list[str]) -> str:
    """A hostlist of names in their order: neighbours of one prefix share brackets."""
    groups: list[tuple[str, list[str]]] = []
    for host in hosts:
        match = re.fullmatch(r"(.*?)([0-9]*)", host, re.ASCII)
        assert match is not None
        prefix, digits = match.groups()
        if digits and groups and groups[-1][0] == prefix and groups[-1][1]:
            groups[-1][1].append(digits)
        else:
            groups.append((prefix, [digits] if digits else []))
    return ",".join(prefix + bracketed(digits) for prefix, digits in groups)


def bracketed(digits: list[str]) -> str:
    if len(digits) < 2:
        return "".join(digits)
    spans: list[list[str]] = []
    for text in digits:
        if spans and f"{int(spans[-1][-1]) + 1:0{len(spans[-1][-1])}}" == text:
            spans[-1].append(text)
        else:
            spans.append([text])
    texts = [span[0] if len(span) == 1 else f"{span[0]}-{span[-1]}" for span in spans]
    return f"[{','.join(texts)}]"

# SPDX-License-Identifier: LGPL-3.0
"""Updates of JSON objects along dotted paths, with the rules of flux-core's jpath.c."""

from __future__ import annotations

from typing import Any


def put(target: dict[str, Any], path: str, value: Any) -> bool:  # noqa: ANN401 - any JSON
    """Set what ``path`` ("a.b.c") names, making the objects on the way, in place.

    Returns False where the path has an empty part or leads through something that is no
    object; objects made on the way there stay.
    """
    *way, last = path.split(".")
    node: Any = target
    for part in way:
        if not part or not isinstance(node, dict):
            return False
        node = node.setdefault(part, {})
    if not last or not isinstance(node, dict):
        return False
    node[last] = value
    return True


def merged(old: Any, new: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """Return ``old`` with the members of ``new``, objects merged; neither is changed."""
    result = dict(old) if isinstance(old, dict) else {}
    for key, value in new.items():
        result[key] = merged(result.get(key), value) if isinstance(value, dict) else value
    return result


def without_nulls(value: dict[str, Any]) -> dict[str, Any]:
    """Return ``value`` without null members and empty objects, at any depth in objects."""
    result = {}
    for key, member in value.items():
        if isinstance(member, dict):
            inner = without_nulls(member)
            if inner:
                result[key] = inner
        elif member is not None:
            result[key] = member
    return result

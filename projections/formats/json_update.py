# SPDX-License-Identifier: LGPL-3.0
"""Updates of decoded JSON objects: along dotted paths, and merges of objects.

The rules are those of flux-core's libutil/jpath.c.
"""

from __future__ import annotations

from typing import Any


def put(target: dict[str, Any], path: str, value: Any) -> bool:  # noqa: ANN401 - any JSON
    """Set the member at ``path`` ("a.b.c") in place; objects that are missing are created.

    Returns False where the path has an empty part or leads through a value that is not an
    object; objects that were created before that stay, as in jpath_set().
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

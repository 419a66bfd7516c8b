# SPDX-License-Identifier: LGPL-3.0
"""Draws the Follower's states into docs/follower.md, from joblist/journal/follower_states.py.

    python docs/draw_states.py

A test fails if the page differs from what this writes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

PAGE = Path(__file__).with_name("follower.md")
BEGIN = "<!-- begin: written by docs/draw_states.py -->\n"
END = "<!-- end -->\n"

sys.path.insert(0, str(PAGE.parents[1]))

from joblist.journal.follower_states import (  # noqa: E402 - found only now
    PLACE,
    STORING,
    Do,
    Event,
    Place,
    Storing,
    Table,
)


def machine(title: str, table: Table[Any], states: type[Enum], first: Enum) -> Iterator[str]:
    """Yield the lines of a machine's section: its states, and its diagram."""
    yield f"## {title}\n\n"
    yield from meanings("state", states)
    yield "\n```mermaid\nstateDiagram-v2\n"
    yield f"    [*] --> {first.name}\n"
    for state, steps in table.items():
        for event, step in steps.items():
            done = f" / {', '.join(action.name for action in step.do)}" if step.do else ""
            yield f"    {state.name} --> {step.to.name}: {event.name}{done}\n"
    yield "```\n\n"


def meanings(kind: str, members: type[Enum]) -> Iterator[str]:
    """Yield the lines of a table that says what each member means."""
    yield f"| {kind} | meaning |\n| --- | --- |\n"
    for member in members:
        yield f"| `{member.name}` | {member.value} |\n"


def drawing() -> str:
    """Return the text between the marks of the page."""
    return "".join(
        (
            *machine("First machine: the journal", PLACE, Place, Place.CONNECTING),
            *machine("Second machine: storing", STORING, Storing, Storing.WORKING),
            "## Events\n\n",
            *meanings("event", Event),
            "\n## Actions\n\n",
            *meanings("action", Do),
        )
    )


def page() -> str:
    """Return the page as it should be: its own text, and the drawing."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{drawing()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

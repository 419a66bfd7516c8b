# SPDX-License-Identifier: LGPL-3.0
"""The tables of the Follower's states, and the page that is drawn from them."""

from __future__ import annotations

import re
import runpy
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from eventstore.errors import StoreError
from joblist.journal.follower import COLLECT, Follower, Source
from joblist.journal.follower_states import (
    PLACE,
    STORING,
    Do,
    Event,
    IllegalTransitionError,
    Machine,
    Place,
    Storing,
    Table,
)
from tests.support.fake_bus import SENTINEL, Broken, FakeBus, started
from tests.support.recordings import new_store

DOCS = Path(__file__).resolve().parents[3] / "docs"
TABLES: list[tuple[Table[Any], type[Enum], Enum]] = [
    (PLACE, Place, Place.CONNECTING),
    (STORING, Storing, Storing.WORKING),
]
both = pytest.mark.parametrize(("table", "states", "first"), TABLES, ids=["place", "storing"])


def steps(table: Table[Any]) -> Mapping[tuple[Enum, Event], Any]:
    return {(state, event): step for state in table for event, step in table[state].items()}


@both
def test_every_state_has_its_steps_and_can_be_reached(
    table: Table[Any], states: type[Enum], first: Enum
) -> None:
    assert set(states) == set(table)
    reached, todo = {first}, [first]
    while todo:
        for step in table[todo.pop()].values():
            if step.to not in reached:
                reached.add(step.to)
                todo.append(step.to)
    assert set(states) == reached


def test_every_event_and_action_is_used() -> None:
    everything = [*steps(PLACE).items(), *steps(STORING).items()]
    assert set(Event) == {event for (_, event), _ in everything}
    assert set(Do) == {action for _, step in everything for action in step.do}


@both
def test_a_machine_does_what_its_table_says(
    table: Table[Any], states: type[Enum], first: Enum
) -> None:
    for (state, event), step in steps(table).items():
        done: list[Do] = []
        machine = Machine(table, state, done.append)
        machine.fire(event)
        assert (step.to, list(step.do)) == (machine.state, done)


@both
def test_an_illegal_transition_raises_and_changes_nothing(
    table: Table[Any], states: type[Enum], first: Enum
) -> None:
    illegal = [
        (state, event) for state in states for event in Event if event not in table[state]
    ]
    for state, event in illegal:
        done: list[Do] = []
        machine = Machine(table, state, done.append)
        with pytest.raises(IllegalTransitionError, match=f"{event.name} in {state}"):
            machine.fire(event)
        assert (state, []) == (machine.state, done)
    assert len(illegal) > len(states)


def test_the_state_is_the_new_one_when_its_actions_are_carried_out() -> None:
    seen: list[Place] = []
    machine: Machine[Place] = Machine(
        PLACE, Place.BACKLOG, lambda action: seen.append(machine.state)
    )
    machine.fire(Event.COMPLETE)
    assert [Place.FOLLOWING] * 2 == seen


def test_the_follower_refuses_what_its_tables_do() -> None:
    module = started()
    with pytest.raises(IllegalTransitionError, match="DELAY_OVER in Place"):
        module.live.start()
    assert (Place.FOLLOWING, Storing.WORKING) == module.live.follower.state
    assert 1 == len(module.bus.journals)


def test_who_is_told_that_the_backlog_is_complete_may_pause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where that was stored by a retry, which has not come to its end then."""
    _, views = new_store()
    bus, told = FakeBus(), []

    def ready() -> None:
        told.append(follower.state)
        if follower.state[0] is Place.FOLLOWING:
            follower.pause()

    source = Source("test", "boot", list)
    follower = Follower(bus, views.store, source, (views,), ready=(ready,))
    follower.start()
    disk = Broken(monkeypatch, StoreError("full"))
    follower.take(SENTINEL)
    bus.pass_time(COLLECT)
    disk.broken = False
    bus.pass_time(60)
    assert [(Place.BACKLOG, Storing.FAILING), (Place.FOLLOWING, Storing.FAILING)] == told
    assert (Place.FOLLOWING, Storing.PAUSED) == follower.state


def test_the_page_shows_the_tables() -> None:
    drawn = runpy.run_path(str(DOCS / "draw_states.py"))
    page = (DOCS / "follower.md").read_text(encoding="utf-8")
    assert drawn["page"]() == page
    arrows = re.findall(r"^    (\w+) --> (\w+): (\w+)(?: / (.*))?$", page, re.MULTILINE)
    expected = [
        (state.name, step.to.name, event.name, ", ".join(do.name for do in step.do))
        for table in (PLACE, STORING)
        for (state, event), step in steps(table).items()
    ]
    assert expected == arrows
    for member in (*Place, *Storing, *Event, *Do):
        assert f"| `{member.name}` | {member.value} |" in page

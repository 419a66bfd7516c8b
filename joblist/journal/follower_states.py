# SPDX-License-Identifier: LGPL-3.0
"""The states of the Follower: every state, event and transition, and what is done at each.

Rule: whatever decides what the Follower does next stands in the two tables below, and the
Follower carries out what they say. docs/follower.md is made from them (docs/draw_states.py).

There are two machines, since either may change without the other:

    PLACE     where we stand with the job manager's journal
    STORING   whether what came can be stored

They meet in one action, ASK_IF_DUE: a journal is asked for only when all that came before is
stored. So nothing in memory is ever given up for a new backlog, except on overflow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Generic, NamedTuple, TypeVar


class Place(Enum):
    """Where we stand with the journal."""

    CONNECTING = "no journal; it is asked for when the pause is over"
    DUE = "no journal; it is asked for as soon as all that came is stored"
    BACKLOG = "asked for; the end of the backlog is not stored yet"
    FOLLOWING = "the whole backlog is stored; live events come"
    ENDED = "no journal, and none is asked for"


class Storing(Enum):
    """Whether what came can be stored."""

    STORING = "what comes is stored"
    FAILING = "the store failed; what comes is kept, and tried again after a pause"
    PAUSED = "what comes is kept, by request (job-state-pause)"
    HELD = "paused, and the store failed before that"
    CLOSING = "one last attempt, also where paused or failing"


class Event(Enum):
    """What happens to the Follower."""

    PAUSE_OVER = "start, or the pause before asking is over"
    ASKED = "the journal was asked for"
    NOT_ASKED = "the store does not take the new source, or the message cannot be sent"
    COMPLETE = "the sentinel is stored: the backlog is complete"
    OVERFLOW = "more came than may be kept in memory"
    JOURNAL_ENDED = "the journal ended with an errno after which it may be asked for again"
    JOURNAL_REFUSED = "the journal ended with EPERM or EPROTO, or is not asked for again"
    CLOSE = "the module is removed"
    STORE_FAILED = "a batch could not be stored"
    STORED = "a batch was stored after a failure"
    PAUSE = "job-state-pause"
    UNPAUSE = "job-state-unpause"


class Do(Enum):
    """What the Follower does at a transition, in the order given there."""

    ASK_IF_DUE = "where DUE and STORING meet: store what is kept, then ask for the journal"
    ASK_LATER = "start the pause before asking, longer each time"
    ASK_SOON_AGAIN = "let the next pause before asking be the shortest"
    LEAVE_JOURNAL = "tell the job manager to send no more"
    DROP = "drop the responses that are kept; keep purges"
    READY = "answer what waited for the backlog"
    STOP = "leave the reactor"
    RETRY_LATER = "start the pause before storing again, longer each time"
    RETRY_NOW = "store again in the next turn of the reactor"
    HOLD = "stop the pause before storing again"
    COLLECT = "store what is kept, soon"
    STORE_ALL = "store what is kept, now"


_State = TypeVar("_State", bound=Enum)


class Step(NamedTuple, Generic[_State]):
    """Where an event leads, and what is done then."""

    to: _State
    do: tuple[Do, ...] = ()


Table = Mapping[_State, Mapping[Event, Step[_State]]]

_WITH_JOURNAL: Mapping[Event, Step[Place]] = {
    Event.OVERFLOW: Step(Place.DUE, (Do.LEAVE_JOURNAL, Do.DROP)),
    Event.JOURNAL_ENDED: Step(Place.CONNECTING, (Do.ASK_LATER,)),
    Event.JOURNAL_REFUSED: Step(Place.ENDED, (Do.STOP,)),
    Event.CLOSE: Step(Place.ENDED, (Do.LEAVE_JOURNAL,)),
}

PLACE: Table[Place] = {
    # A backlog that ended while the store failed may be stored when its journal has ended.
    Place.CONNECTING: {
        Event.PAUSE_OVER: Step(Place.DUE, (Do.ASK_IF_DUE,)),
        Event.COMPLETE: Step(Place.CONNECTING, (Do.READY,)),
        Event.OVERFLOW: Step(Place.CONNECTING, (Do.DROP,)),
        Event.CLOSE: Step(Place.ENDED),
    },
    Place.DUE: {
        Event.ASKED: Step(Place.BACKLOG, (Do.COLLECT,)),
        Event.NOT_ASKED: Step(Place.CONNECTING, (Do.ASK_LATER, Do.READY)),
        Event.COMPLETE: Step(Place.DUE, (Do.READY,)),
        Event.OVERFLOW: Step(Place.DUE, (Do.DROP,)),
        Event.CLOSE: Step(Place.ENDED),
    },
    Place.BACKLOG: {
        Event.COMPLETE: Step(Place.FOLLOWING, (Do.ASK_SOON_AGAIN, Do.READY)),
        **_WITH_JOURNAL,
    },
    Place.FOLLOWING: {
        Event.COMPLETE: Step(Place.FOLLOWING),  # another sentinel says nothing new
        **_WITH_JOURNAL,
    },
    Place.ENDED: {
        Event.COMPLETE: Step(Place.ENDED, (Do.READY,)),
        Event.OVERFLOW: Step(Place.ENDED, (Do.DROP,)),
        Event.CLOSE: Step(Place.ENDED),
    },
}

STORING: Table[Storing] = {
    Storing.STORING: {
        Event.STORE_FAILED: Step(Storing.FAILING, (Do.RETRY_LATER, Do.READY)),
        Event.PAUSE: Step(Storing.PAUSED),
        Event.UNPAUSE: Step(Storing.STORING),
        Event.CLOSE: Step(Storing.CLOSING),
    },
    Storing.FAILING: {
        Event.STORE_FAILED: Step(Storing.FAILING, (Do.RETRY_LATER, Do.READY)),
        Event.STORED: Step(Storing.STORING, (Do.COLLECT, Do.ASK_IF_DUE)),
        Event.PAUSE: Step(Storing.HELD, (Do.HOLD,)),
        Event.UNPAUSE: Step(Storing.FAILING),
        Event.CLOSE: Step(Storing.CLOSING),
    },
    Storing.PAUSED: {
        Event.PAUSE: Step(Storing.PAUSED),
        Event.UNPAUSE: Step(Storing.STORING, (Do.STORE_ALL, Do.ASK_IF_DUE)),
        Event.CLOSE: Step(Storing.CLOSING),
    },
    # The retry that stores the backlog lets deferred requests through: one may be a pause.
    Storing.HELD: {
        Event.STORED: Step(Storing.PAUSED),
        Event.PAUSE: Step(Storing.HELD),
        Event.UNPAUSE: Step(Storing.FAILING, (Do.RETRY_NOW,)),
        Event.CLOSE: Step(Storing.CLOSING),
    },
    Storing.CLOSING: {
        Event.STORE_FAILED: Step(Storing.CLOSING),
        Event.CLOSE: Step(Storing.CLOSING),
    },
}

WITH_JOURNAL = frozenset((Place.BACKLOG, Place.FOLLOWING))
"""Where responses of the journal are taken. Elsewhere, the next backlog has them."""
ABLE = frozenset((Storing.STORING, Storing.CLOSING))
"""Where a batch may be stored without waiting for a pause to be over."""


class IllegalTransitionError(Exception):
    """An event came in a state that has no transition for it: a fault of this program."""


class Machine(Generic[_State]):
    """A state that changes as its table says; ``do`` carries out each action."""

    def __init__(self, table: Table[_State], state: _State, do: Callable[[Do], None]) -> None:
        self.state = state
        self._table = table
        self._do = do

    def fire(self, event: Event) -> None:
        """Change the state, then do what the table says.

        Raises IllegalTransitionError, and changes nothing, where the table has no such event.
        """
        step = self._table[self.state].get(event)
        if step is None:
            raise IllegalTransitionError(f"can't handle event {event.name} in {self.state}")
        self.state = step.to
        for action in step.do:
            self._do(action)

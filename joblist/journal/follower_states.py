# SPDX-License-Identifier: LGPL-3.0
"""The states of the Follower: every state, event and transition, and what is done at each.

Rule: everything that decides what the Follower does next is in the two tables below, and the
Follower carries out what they say. docs/follower.md is made from them (docs/draw_states.py).

There are two machines, since either may change without the other:

    PLACE     the connection to the job manager's journal
    STORING   whether responses can be stored

They meet in one action, ASK_IF_DUE: a journal is requested only when the pending queue is
stored. So no response in memory is dropped for a new backlog, except on overflow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Generic, NamedTuple, TypeVar


class Place(Enum):
    """The connection to the journal."""

    CONNECTING = "no journal; it is requested when the delay is over"
    DUE = "no journal; it is requested as soon as the pending queue is stored"
    BACKLOG = "requested; the end of the backlog is not stored yet"
    FOLLOWING = "the whole backlog is stored; live events arrive"
    ENDED = "no journal, and none is requested again"


class Storing(Enum):
    """Whether responses can be stored."""

    WORKING = "responses are stored, a batch at a time"
    FAILING = (
        "the store failed (full disk, I/O error, a lock, a file that is gone): responses "
        "stay in the pending queue, and are tried again after a delay"
    )
    PAUSED = "responses stay in the pending queue, by request (job-state-pause)"
    HELD = "paused while FAILING"
    CLOSING = "one last attempt to store, even if paused or failing"


class Event(Enum):
    """What happens to the Follower."""

    DELAY_OVER = "start, or the delay before a request is over"
    ASKED = "the journal was requested"
    NOT_ASKED = "the store does not take the new source, or the request cannot be sent"
    COMPLETE = (
        "the sentinel is stored: the backlog is complete "
        "(also without a journal: the sentinel was in memory when the journal ended)"
    )
    OVERFLOW = "the pending queue exceeds its bound"
    JOURNAL_ENDED = "the journal ended with an errno after which it may be requested again"
    JOURNAL_REFUSED = "the journal ended with EPERM or EPROTO, or is not requested again"
    CLOSE = "the module is removed"
    STORE_FAILED = "a batch could not be stored"
    STORE_BUSY = "a batch could not be stored: for a moment, another process holds a lock"
    STORED = "a batch was stored after a failure"
    PAUSE = "job-state-pause"
    UNPAUSE = "job-state-unpause"


class Do(Enum):
    """What the Follower does at a transition, in the order given there."""

    ASK_IF_DUE = (
        "if the first machine is in DUE and the second in WORKING: "
        "store the pending queue, then request the journal"
    )
    ASK_LATER = "start the delay before a request, longer each time"
    ASK_SOON_AGAIN = "let the next delay before a request be the shortest"
    LEAVE_JOURNAL = "tell the job manager to send no more"
    DROP = "drop the responses in the pending queue; keep purges"
    READY = "answer the requests that waited for the backlog"
    STOP = "leave the reactor"
    RETRY_LATER = "start the delay before storing is tried again, longer each time"
    RETRY_NOW = "try again to store, in the next turn of the reactor"
    HOLD = "stop the delay before storing is tried again"
    COLLECT = "store the pending queue soon"
    STORE_ALL = "store the pending queue now"


_State = TypeVar("_State", bound=Enum)


class Step(NamedTuple, Generic[_State]):
    """The state that an event leads to, and the actions of that transition."""

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
    # COMPLETE without a journal: the sentinel was in the pending queue when the journal ended.
    Place.CONNECTING: {
        Event.DELAY_OVER: Step(Place.DUE, (Do.ASK_IF_DUE,)),
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
    Storing.WORKING: {
        Event.STORE_BUSY: Step(Storing.FAILING, (Do.RETRY_LATER,)),
        Event.STORE_FAILED: Step(Storing.FAILING, (Do.RETRY_LATER, Do.READY)),
        Event.PAUSE: Step(Storing.PAUSED),
        Event.UNPAUSE: Step(Storing.WORKING),
        Event.CLOSE: Step(Storing.CLOSING),
    },
    Storing.FAILING: {
        Event.STORE_BUSY: Step(Storing.FAILING, (Do.RETRY_LATER,)),
        Event.STORE_FAILED: Step(Storing.FAILING, (Do.RETRY_LATER, Do.READY)),
        Event.STORED: Step(Storing.WORKING, (Do.COLLECT, Do.ASK_IF_DUE)),
        Event.PAUSE: Step(Storing.HELD, (Do.HOLD,)),
        Event.UNPAUSE: Step(Storing.FAILING),
        Event.CLOSE: Step(Storing.CLOSING),
    },
    Storing.PAUSED: {
        Event.PAUSE: Step(Storing.PAUSED),
        Event.UNPAUSE: Step(Storing.WORKING, (Do.STORE_ALL, Do.ASK_IF_DUE)),
        Event.CLOSE: Step(Storing.CLOSING),
    },
    # A retry that completes the backlog lets the requests go on that waited for it. One of them
    # may be a pause, so that the STORED of this retry comes when the state is HELD.
    Storing.HELD: {
        Event.STORED: Step(Storing.PAUSED),
        Event.PAUSE: Step(Storing.HELD),
        Event.UNPAUSE: Step(Storing.FAILING, (Do.RETRY_NOW,)),
        Event.CLOSE: Step(Storing.CLOSING),
    },
    Storing.CLOSING: {
        Event.STORE_BUSY: Step(Storing.CLOSING),
        Event.STORE_FAILED: Step(Storing.CLOSING),
        Event.CLOSE: Step(Storing.CLOSING),
    },
}

WITH_JOURNAL = frozenset((Place.BACKLOG, Place.FOLLOWING))
"""States in which responses are accepted. In others, the next backlog brings them."""
ABLE = frozenset((Storing.WORKING, Storing.CLOSING))
"""States in which a batch may be stored at once, without waiting for a delay."""


class IllegalTransitionError(Exception):
    """An event was fired in a state that has no transition for it: a fault of this program."""


class Machine(Generic[_State]):
    """A state that changes as its table says; ``do`` carries out each action."""

    def __init__(self, table: Table[_State], state: _State, do: Callable[[Do], None]) -> None:
        self.state = state
        self._table = table
        self._do = do

    def fire(self, event: Event) -> None:
        """Change the state, then do what the table says.

        Raises IllegalTransitionError, and changes nothing, if the table has no such event.
        """
        step = self._table[self.state].get(event)
        if step is None:
            raise IllegalTransitionError(f"can't handle event {event.name} in {self.state}")
        self.state = step.to
        for action in step.do:
            self._do(action)

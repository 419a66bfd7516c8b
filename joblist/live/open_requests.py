# SPDX-License-Identifier: LGPL-3.0
"""The requests of a kind that are open: how many may be, and which are a client's."""

from __future__ import annotations

from collections import Counter

from joblist.ports import Message
from joblist.protocol.budgets import Budgets


class OpenRequests:
    """Counts requests; ``name`` is the bound of all of them, ``name``_user that of a user's."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._of_user: Counter[int] = Counter()
        self._of_sender: dict[str, dict[int, Message]] = {}
        self._all = 0

    def __len__(self) -> int:
        """Return how many are open."""
        return self._all

    def enter(self, message: Message, budgets: Budgets) -> None:
        """Count a request; raises RpcError, without counting it, if it is one too many."""
        userid = message.request.credential.userid
        for name, count in (
            (f"{self._name}_user", self._of_user[userid]),
            (self._name, self._all),
        ):
            if count >= getattr(budgets, name):
                raise budgets.exceeded(name)
        self._of_user[userid] += 1
        self._of_sender.setdefault(message.sender, {})[id(message)] = message
        self._all += 1

    def leave(self, message: Message) -> None:
        """Count a request no longer."""
        userid = message.request.credential.userid
        self._of_user[userid] -= 1
        self._all -= 1
        if not self._of_user[userid]:
            del self._of_user[userid]
        same = self._of_sender[message.sender]
        del same[id(message)]
        if not same:
            del self._of_sender[message.sender]

    def dropped_by(self, message: Message) -> list[Message]:
        """Return those of the client that a disconnect message is about.

        That takes no longer if others have many.
        """
        mine = self._of_sender.get(message.sender, {})
        return [one for one in mine.values() if one.dropped_by(message)]

# SPDX-License-Identifier: LGPL-3.0
"""How many requests of a kind are open, of each user and in all, and what is too many."""

from __future__ import annotations

from collections import Counter

from joblist.ports import Message
from joblist.protocol.budgets import Budgets


class OpenRequests:
    """Counts requests; ``name`` is the bound of all of them, ``name``_user that of a user's."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._of_user: Counter[int] = Counter()
        self._all = 0

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
        self._all += 1

    def leave(self, message: Message) -> None:
        """Count a request no longer."""
        userid = message.request.credential.userid
        self._of_user[userid] -= 1
        self._all -= 1
        if not self._of_user[userid]:
            del self._of_user[userid]

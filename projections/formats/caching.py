# SPDX-License-Identifier: LGPL-3.0
"""Bounded caches of pure functions of a text, keyed by the text.

Hostlists and idsets come as texts (in R, in a job's state), and the same text is needed as
ranges several times: when R is read, when the job's intervals are indexed, when a constraint
is compared. The functions that decode them are decorated with `cached_by_text`, so that one
fold decodes a text once.

The bound counts characters, not entries: nodelists can be long, and what a cached result takes
in memory grows with its text.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Generic, TypeVar

_T = TypeVar("_T")
_ENTRY = 64  # what an entry counts besides the characters of its text
_SHARE = 64  # a text of more than 1/64 of the bound is not cached


class CachedByText(Generic[_T]):
    """A pure function of a text, with a cache of its results.

    Texts in the cache count at most ``bound`` together: their characters, and 64 for each
    entry. Beyond that the older half is dropped. An exception is not cached. Memory is roughly
    ten bytes for each unit of the bound.
    """

    def __init__(self, function: Callable[[str], _T], bound: int) -> None:
        self._function = function
        self._bound = bound
        self._used = 0
        self._results: dict[str, _T] = {}
        update_wrapper(self, function)

    def __call__(self, text: str) -> _T:
        """Return the function's result for ``text``, from the cache if it is there."""
        found = self._results.get(text)
        if found is None:
            found = self._function(text)
            self.keep(text, found)
        return found

    def __len__(self) -> int:
        """Return the number of texts in the cache."""
        return len(self._results)

    def keep(self, text: str, result: _T) -> None:
        """Put into the cache what the function returns for ``text``, known without a call."""
        if len(text) * _SHARE > self._bound or text in self._results:
            return
        if self._used > self._bound:
            self._drop_half()
        self._results[text] = result
        self._used += len(text) + _ENTRY

    def _drop_half(self) -> None:
        kept = list(self._results.items())[len(self._results) // 2 :]
        self._results = dict(kept)
        self._used = sum(len(text) + _ENTRY for text, _ in kept)


def cached_by_text(bound: int) -> Callable[[Callable[[str], _T]], CachedByText[_T]]:
    """Decorate a pure function of a text with a cache; see `CachedByText` for the bound."""
    return lambda function: CachedByText(function, bound)

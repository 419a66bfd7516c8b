# SPDX-License-Identifier: LGPL-3.0
"""Constraints as text: RFC 35's query syntax, with the operators of job listings.

    running                         a state, or a result: the words of `flux jobs --filter`
    failed,timeout userid:1001      terms that stand side by side must all match
    queue:debug|name:"my job"       one of them must
    not (failed or ranks:0-3)       none; -failed is the same for a single term
    t_run:>1790000000               seconds since the epoch

Text becomes the constraint of RFC 31 that flux-core's own parser (flux.constraint.parser) would
make of it, with the same quirks: two terms side by side bind as `and` does on their left, and
weaker than anything on their right, so that `a|b c` is `(a|b) c`, but `a|b&c` is `a|(b&c)`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from projections.constraints.tree import TIMESTAMPS
from projections.job.state import COMBINED_STATES, LISTED_STATES, RESULTS

Constraint = dict[str, list[Any]]
"""A constraint of RFC 31, as JSON has it."""

OPERATORS = ("userid", "user", "name", "queue", "states", "results", "hostlist", "ranks",
             *TIMESTAMPS)  # fmt: skip
_ALIASES = {"user": "userid", "state": "states", "result": "results", "host": "hostlist"}
_LISTS = {"userid", "queue", "states", "results"}  # whose values are separated by commas

_STATES = {one.key for one in (*LISTED_STATES, *COMBINED_STATES)}
_RESULTS = {one.key for one in RESULTS}


class QueryError(ValueError):
    """The text is no constraint; says in one line what is wrong, and where."""


class _Token(NamedTuple):
    kind: str
    text: str
    place: int


_LEXICON = re.compile(
    r"""(?P<space>\s+) | (?P<negate>-) | (?P<not>not\b) | (?P<and>&{1,2}|and\b)
      | (?P<or>\|{1,2}|or\b) | (?P<open>\() | (?P<close>\))
      | (?P<quote>['"]) | (?P<term>[^()|&\s"']+)""",
    re.VERBOSE,
)
# How strongly operators bind; a term or parenthesis that follows binds weakest of all.
_LEVELS = {"or": 1, "and": 2, "beside": 2, "not": 3, "negate": 4}
_BEGIN = {"term", "open", "not", "negate"}  # what a term can begin with


def parse(text: str, userid_of: Callable[[str], int] = int) -> Constraint:
    """Return the constraint that a text stands for; ``{}``, which all jobs match, for none.

    ``userid_of`` returns the id of a user who is given by name, or raises ValueError. Raises
    QueryError.
    """
    tokens = [*_tokens(text), _Token("end", "", len(text))]
    if len(tokens) == 1:
        return {}
    return _Parser(tokens, userid_of).parse()


def _tokens(text: str) -> Iterator[_Token]:
    place, held = 0, None  # a term that ends with ":" goes on with what follows
    while place < len(text):
        found = _LEXICON.match(text, place)
        assert found is not None  # every character is matched
        kind, value, at = str(found.lastgroup), found[0], place
        place = found.end()
        if kind == "quote":
            end = text.find(value, place)
            if end < 0:
                raise QueryError(f"{text!a}: the quote at position {at} is not closed")
            kind, value, place = "term", text[place:end], end + 1
            if not value:
                continue
        if kind == "term":
            if held is not None:
                value, at, held = held.text + value, held.place, None
            elif value.endswith(":"):
                held = _Token(kind, value, at)
                continue
        if kind != "space":
            yield _Token(kind, value, at)
    if held is not None:
        raise QueryError(f"{text!a}: nothing follows {held.text!a}")


class _Parser:
    """Shifts tokens and reduces expressions, by precedence; does not recurse."""

    def __init__(self, tokens: list[_Token], userid_of: Callable[[str], int]) -> None:
        self._tokens = iter(tokens)
        self._next = next(self._tokens)
        self._userid_of = userid_of
        self._operators: list[str] = []
        self._operands: list[Constraint] = []

    def parse(self) -> Constraint:
        """Return the constraint."""
        while True:
            self._operand()
            self._reduce(self._next.kind)
            while self._next.kind == "close":
                self._close()
                self._reduce(self._next.kind)
            if self._next.kind == "end":
                break
            self._operators.append("beside" if self._next.kind in _BEGIN else self._take().kind)
        if self._operators:
            raise QueryError("a parenthesis is not closed")
        return self._operands.pop()

    def _take(self) -> _Token:
        taken, self._next = self._next, next(self._tokens, self._next)
        return taken

    def _operand(self) -> None:
        """Shift what stands before a term, and the term."""
        while self._next.kind in {"not", "open"}:
            self._operators.append(self._take().kind)
        negated = self._next.kind == "negate" and bool(self._take())
        token = self._take()
        if token.kind != "term":
            found = f"{token.text!a} at position {token.place}" if token.text else "the end"
            raise QueryError(f"a term was expected, not {found}")
        term = _term(token.text, self._userid_of)
        self._operands.append({"not": [term]} if negated else term)

    def _close(self) -> None:
        if not self._operators or self._operators.pop() != "open":
            raise QueryError(f"no parenthesis is open at position {self._next.place}")
        self._take()

    def _reduce(self, coming: str) -> None:
        """Apply the operators that bind more strongly than what comes: at the end, all."""
        level = _LEVELS.get(coming, 0)
        while self._operators and self._operators[-1] != "open":
            mine = _LEVELS[self._operators[-1]]
            right = self._operators[-1] == "not"
            if level > mine or (level == mine and right):
                return
            self._apply(self._operators.pop())

    def _apply(self, operator: str) -> None:
        last = self._operands.pop()
        if operator == "not":
            self._operands.append({"not": [last]})
            return
        first = self._operands.pop()
        name = "or" if operator == "or" else "and"
        if name in first:
            first[name].append(last)
            self._operands.append(first)
        else:
            self._operands.append({name: [first, last]})


def _term(text: str, userid_of: Callable[[str], int]) -> Constraint:
    name, colon, value = text.partition(":")
    if not colon:
        return _words(text)
    operator = _ALIASES.get(name, name)
    if operator not in OPERATORS:
        raise QueryError(f"{name!a}: expected one of {', '.join(OPERATORS)}")
    values: list[Any] = value.split(",") if operator in _LISTS else [value]
    if operator == "userid":
        try:
            values = [int(one) if one.isdecimal() else userid_of(one) for one in values]
        except ValueError as error:
            raise QueryError(f"{value!a}: there is no such user") from error
    elif operator in {"states", "results"}:
        values = [one.lower() for one in values]
    return {operator: values}


def _words(text: str) -> Constraint:
    """Return the constraint for states and results, as `flux jobs --filter` takes them."""
    words = [word.lower() for word in text.split(",") if word]
    unknown = [word for word in words if word not in _STATES | _RESULTS]
    if unknown or not words:
        known = ", ".join((*sorted(_STATES), *sorted(_RESULTS)))
        raise QueryError(f"{text!a}: expected operator:value, or some of {known}")
    terms: list[Constraint] = []
    for name, among in (("states", _STATES), ("results", _RESULTS)):
        found = [word for word in words if word in among]
        terms += [{name: found}] if found else []
    return terms[0] if len(terms) == 1 else {"or": terms}

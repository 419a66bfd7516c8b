# SPDX-License-Identifier: LGPL-3.0
"""Constraints as text: what they mean, what is refused, and that Flux's own parser agrees."""

from __future__ import annotations

import json
import random
import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.constraints import tree
from projections.constraints.query_text import QueryError, parse

A, B, C = ({"name": [name]} for name in "abc")
NOT_A, NOT_B, NOT_C = ({"not": [one]} for one in (A, B, C))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        (" \t", {}),
        ("name:a", A),
        ("name:'a b'", {"name": ["a b"]}),
        ('name:"a|b"', {"name": ["a|b"]}),
        ("name:a,b", {"name": ["a,b"]}),
        ("queue:a,b", {"queue": ["a", "b"]}),
        ("running", {"states": ["running"]}),
        ("FAILED,Timeout", {"results": ["failed", "timeout"]}),
        ("failed,run", {"or": [{"states": ["run"]}, {"results": ["failed"]}]}),
        ("state:RUN result:CD", {"and": [{"states": ["run"]}, {"results": ["cd"]}]}),
        ("user:1,root", {"userid": [1, 0]}),
        ("hostlist:n[1,3]", {"hostlist": ["n[1,3]"]}),
        ("t_run:>=1.5", {"t_run": [">=1.5"]}),
        ("name:a name:b name:c", {"and": [A, B, C]}),
        ("name:a & name:b and name:c", {"and": [A, B, C]}),
        ("name:a|name:b or name:c", {"or": [A, B, C]}),
        ("name:a|name:b&name:c", {"or": [A, {"and": [B, C]}]}),
        ("name:a|name:b name:c", {"and": [{"or": [A, B]}, C]}),
        ("-name:a name:b", {"and": [NOT_A, B]}),
        ("not name:a name:b", {"and": [NOT_A, B]}),
        ("not (name:a name:b)", {"not": [{"and": [A, B]}]}),
        ("not not name:a", {"not": [NOT_A]}),
        # Quotes that go on no term: a term of their own, or none.
        ("''", {}),
        ("'' name:a ''", A),
        ("'running'", {"states": ["running"]}),
        ("name:'a'|name:'b'&'name:c'", {"or": [A, {"and": [B, C]}]}),
        ("(name:'a')", A),
        ("'name:' a", A),
        ("'name:' name:a", {"name": ["name:a"]}),
        # What binds more strongly than what, and where a parenthesis ends.
        ("(name:a|name:b)&name:c", {"and": [{"or": [A, B]}, C]}),
        ("name:a&(name:b|name:c)", {"and": [A, {"or": [B, C]}]}),
        ("(name:a&name:b)|name:c", {"or": [{"and": [A, B]}, C]}),
        ("name:a|(name:b name:c)", {"or": [A, {"and": [B, C]}]}),
        ("name:a&name:b|name:c", {"or": [{"and": [A, B]}, C]}),
        ("name:a name:b|name:c", {"or": [{"and": [A, B]}, C]}),
        ("name:a name:b&name:c", {"and": [A, B, C]}),
        ("name:a&(name:b&name:c)", {"and": [A, {"and": [B, C]}]}),
        ("not name:a and not name:b", {"and": [NOT_A, NOT_B]}),
        ("not name:a|name:b", {"or": [NOT_A, B]}),
        ("name:a|not name:b&name:c", {"or": [A, {"and": [NOT_B, C]}]}),
        ("(not name:a)|name:b", {"or": [NOT_A, B]}),
        ("not (name:a|name:b)&name:c", {"and": [{"not": [{"or": [A, B]}]}, C]}),
        # A sign that follows a term binds it first: so it does in Flux.
        ("not name:a not name:b", {"not": [{"and": [A, NOT_B]}]}),
        ("not name:a -name:b", {"not": [{"and": [A, NOT_B]}]}),
        ("name:a|name:b -name:c", {"or": [A, {"and": [B, NOT_C]}]}),
        ("name:a name:b not name:c", {"and": [A, {"and": [B, NOT_C]}]}),
    ],
)
def test_text_stands_for_a_constraint(text: str, expected: Any) -> None:
    assert expected == parse(text, {"root": 0}.__getitem__)
    tree.parse(expected)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (
            "nonsense",
            "expected operator:value, or some of active, cleanup, depend, inactive, pending, "
            "priority, run, running, sched, canceled, completed, failed, timeout$",
        ),
        ("failed,nonsense", "expected operator:value"),
        (",", "expected operator:value"),
        ("x:y", "'x': expected one of userid"),
        ("name:", "nothing follows 'name:'"),
        ("name:''", "nothing follows 'name:'"),
        ("'name:'", "nothing follows 'name:'"),
        ("(name:a", "a parenthesis is not closed"),
        ("name:a)", "no parenthesis is open at position 6"),
        ("()", "a term was expected, not '\\)' at position 1"),
        ("name:a or", "a term was expected, not the end"),
        ("& name:a", "not '&' at position 0"),
        ("-(name:a)", "not '\\(' at position 1"),
        ("--name:a", "not '-' at position 1"),
        ("name:'a", "the quote at position 5 is not closed"),
        ("user:nobody-here", "there is no such user"),
    ],
)
def test_what_is_no_constraint_is_refused(text: str, what: str) -> None:
    with pytest.raises(QueryError, match=what):
        parse(text)


@given(st.text(alphabet="ab:,() |&-'\"not or\\\n☃", max_size=30))
def test_any_text_is_a_constraint_or_one_line(text: str) -> None:
    try:
        found = parse(text)
    except QueryError as error:
        assert "\n" not in str(error)
    else:
        json.dumps(found)


def test_depth_is_not_limited() -> None:
    deep = parse("not (" * 5000 + "name:a" + ")" * 5000)
    depth = 0
    while "not" in deep:
        deep, depth = deep["not"][0], depth + 1
    assert (A, 5000) == (deep, depth)


_THEIRS = """
import json, sys
from flux.constraint.parser import ConstraintParser
parser = ConstraintParser()
for line in sys.stdin:
    parser.lexer.pending_token = None  # it would be kept after an error
    parser.lexer.lexer.begin("INITIAL")
    try:
        print(json.dumps(parser.parse(json.loads(line))))
    except Exception:
        print("null")
"""


_JOINTS = ("", "", " and ", "&", "|", " or ", "&&", "||")
_SIGNS = ("", "", "", "not ", "-", "not not ", "not -")
_GOOD = ("name:a", "name:'b c'", "name:d-e", 'name:"f|g"')
_TERMS = (*_GOOD * 4, "name:", "'name:'", "name:''", "''")


def _expression(source: random.Random, depth: int = 3) -> str:
    words: list[str] = []
    for _ in range(source.randint(1, 4)):
        words.append(source.choice(_JOINTS) if words else "")
        words.append(source.choice(_SIGNS))
        inner = depth and source.random() < 0.3
        words.append(f"({_expression(source, depth - 1)})" if inner else source.choice(_TERMS))
        words.append(" ")
    return "".join(words)


def test_flux_itself_reads_the_same(flux_program: str) -> None:
    source = random.Random(35)
    texts = [_expression(source) for _ in range(2000)]
    done = subprocess.run(
        [flux_program, "python", "-c", _THEIRS],
        input="".join(json.dumps(text) + "\n" for text in texts),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(texts) == len(answers)
    for text, theirs in zip(texts, answers, strict=True):
        try:
            ours = parse(text)
        except QueryError:
            assert theirs is None, text
        else:
            assert theirs == (ours or None), text  # Flux refuses an empty text
    assert 500 < sum(answer is not None for answer in answers) < 2000

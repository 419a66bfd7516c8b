# SPDX-License-Identifier: LGPL-3.0
"""The text of constraints: what is refused and why, and what the rest is taken for.

The cases of flux-core's unit test job-list/test/match.c are among those of the tables.
"""

import copy
import ctypes
import errno
import math
import sys
from typing import Any

import msgspec
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from projections.constraints.tree import (
    TIMESTAMPS,
    And,
    Constraint,
    ConstraintError,
    Everything,
    Hostlist,
    Most,
    Name,
    Not,
    Or,
    Queue,
    Ranks,
    Results,
    States,
    Timestamp,
    TooLargeError,
    Userid,
    fold_tree,
    parse,
)
from projections.formats import hostlist, idset
from projections.job.state import (
    ACTIVE,
    CANCELED,
    CLEANUP,
    COMPLETED,
    FAILED,
    INACTIVE,
    NEW,
    PENDING,
    RUN,
    RUNNING,
    SCHED,
    TIMEOUT,
    USERID_UNKNOWN,
)


def error_of(obj: object, **limits: int) -> str | None:
    try:
        parse(obj, **limits)
    except ConstraintError as error:
        return str(error)
    return None


# -- what is refused ---------------------------------------------------------------------------

NOT_OBJECT = "constraint must be JSON object"
NOT_SINGLE = "constraint must only contain 1 element"
BAD_HOST = "host value not in valid Hostlist format"
BAD_TIME = "Invalid timestamp value specified"
NO_OPERATOR = "timestamp comparison operator not specified"


def each(op: str, text: str, *values: object) -> list[tuple[object, str]]:
    return [({op: [value]}, text) for value in values]


REFUSED: list[tuple[object, str]] = [
    (None, NOT_OBJECT),
    (1, NOT_OBJECT),
    (1.5, NOT_OBJECT),
    (True, NOT_OBJECT),
    ("x", NOT_OBJECT),
    ([], NOT_OBJECT),
    ([{}], NOT_OBJECT),
    ({"a": [], "b": []}, NOT_SINGLE),
    ({"userid": [1], "name": ["foo"]}, NOT_SINGLE),
    ({"userid": 1, "bogus": 2}, NOT_SINGLE),
    ({"userid": 1}, "operator userid values not an array"),
    ({"states": "run"}, "operator states values not an array"),
    ({"t_run": {"x": 1}}, "operator t_run values not an array"),
    ({"not": {"userid": [1]}}, "operator not values not an array"),
    ({"and": None}, "operator and values not an array"),
    ({"bogus": 1}, "operator bogus values not an array"),
    ({"bogus": [1]}, "unknown constraint operator: bogus"),
    ({"": []}, "unknown constraint operator: "),
    ({"AND": []}, "unknown constraint operator: AND"),
    ({"t_bogus": [">1"]}, "unknown constraint operator: t_bogus"),
    *each("userid", "userid value must be an integer", "1", 1.0, None, True, [1]),
    *each("name", "name value must be a string", 1, None, [], True),
    ({"queue": ["a", {}]}, "queue value must be a string"),
    *each("states", "states value invalid type", 0.0, None, True, False, [], {}),
    ({"states": ["foo"]}, "invalid states value 'foo' specified"),
    ({"states": [""]}, "invalid states value '' specified"),
    ({"states": ["Run"]}, "invalid states value 'Run' specified"),
    ({"states": ["run", "RUN ", 0.5]}, "invalid states value 'RUN ' specified"),
    ({"states": ["CD"]}, "invalid states value 'CD' specified"),
    ({"states": [8192]}, "invalid states value '2000h' specified"),
    ({"states": [128]}, "invalid states value '80h' specified"),
    ({"states": [255]}, "invalid states value 'FFh' specified"),
    ({"states": [-1]}, "invalid states value 'FFFFFFFFh' specified"),
    ({"states": [2**32 + 128]}, "invalid states value '80h' specified"),
    ({"results": [0.0]}, "results value invalid type"),
    ({"results": ["foo"]}, "invalid results value 'foo' specified"),
    ({"results": ["Failed"]}, "invalid results value 'Failed' specified"),
    ({"results": [16]}, "invalid results value '10h' specified"),
    ({"results": [-16]}, "invalid results value 'FFFFFFF0h' specified"),
    *each("hostlist", "host value must be a string", 1, None, True, ["a"]),
    *each("hostlist", BAD_HOST, "", ",", "n[0-", "n[3-1]", "n]", "n[]"),
    ({"hostlist": ["a", ""]}, BAD_HOST),
    ({"hostlist": ["n[0-1024]"]}, "too many hosts specified"),
    ({"hostlist": ["n[0-600]", "n[0-600]"]}, "too many hosts specified"),
    ({"hostlist": ["n[0-1024]", ""]}, BAD_HOST),
    ({"ranks": [0]}, "ranks value must be a string"),
    ({"ranks": ["x"]}, "ranks value 'x': error parsing range 'x'"),
    ({"ranks": ["0,1-"]}, "ranks value '0,1-': error parsing range '1-'"),
    ({"ranks": ["5-2"]}, "ranks value '5-2': error parsing range '5-2'"),
    ({"ranks": ["0", "1,1"]}, "ranks value '1,1': range '1' is out of order"),
    ({"ranks": ["[0"]}, "ranks value '[0': mismatched or nested brackets"),
    ({"ranks": ["0-1024"]}, "too many ranks specified"),
    ({"ranks": ["0-1000", "2000-2100"]}, "too many ranks specified"),
    ({"ranks": ["0-1024", "x"]}, "ranks value 'x': error parsing range 'x'"),
    ({"t_depend": []}, "timestamp value not specified"),
    ({"t_depend": [1.0]}, "t_depend value must be a string"),
    ({"t_submit": [None, ">1"]}, "t_submit value must be a string"),
    *each("t_run", NO_OPERATOR, "0.0", "", "=1", "==1", "=>1", " >1", "!=1"),
    *each("t_run", BAD_TIME, ">=foof", ">x", "> ", ">1 ", ">>1", ">= =1"),
    *each("t_run", BAD_TIME, ">1e400", ">-1e400", ">1e-400", ">-1e-400"),
    *each("t_run", BAD_TIME, ">0x1p1024", ">0x1p-1075", ">1e-310", ">1_0"),
    *each("t_run", BAD_TIME, ">" + "9" * 100_000 + "x", ">0x" + "f" * 100_000 + "x"),
    ({"t_run": [">=-1.0"]}, "timestamp value must be >= 0.0"),
    ({"t_run": ["<-inf"]}, "timestamp value must be >= 0.0"),
    ({"not": [1]}, NOT_OBJECT),
    ({"and": [[]]}, NOT_OBJECT),
    ({"or": [{"userid": [1]}, {"x": []}]}, "unknown constraint operator: x"),
    ({"not": [{"userid": [1], "name": []}]}, NOT_SINGLE),
    # the first in the order of the text, an object before what is in it
    ({"or": [{"and": [{"states": ["z"]}]}, 1]}, "invalid states value 'z' specified"),
    ({"or": [1, {"and": [{"states": ["z"]}]}]}, NOT_OBJECT),
    ({"and": [{"a": [], "b": []}, {"not": 1}]}, NOT_SINGLE),
    ({"and": [{"not": [{}, {"not": []}]}, {"not": 1}]}, "operator not values not an array"),
]


@pytest.mark.parametrize(("obj", "text"), REFUSED)
def test_refused(obj: object, text: str) -> None:
    assert text == error_of(obj)


def test_limit_of_hosts_and_ranks() -> None:
    hosts, ranks = {"hostlist": ["n[0-9]"]}, {"ranks": ["0-9"]}
    assert [error_of(obj, max_hosts=10) for obj in (hosts, ranks)] == [None, None]
    assert [error_of(obj, max_hosts=9) for obj in (hosts, ranks)] == [
        "too many hosts specified",
        "too many ranks specified",
    ]
    assert error_of({"ranks": ["0-9", "5-9"]}, max_hosts=10) is None
    usual = ({"hostlist": ["n[0-1023]"]}, {"ranks": ["0-1023"]})
    assert [None, None] == [error_of(obj) for obj in usual]


TWO = {"and": [{"userid": [1, 2, 3]}]}  # operators


@pytest.mark.parametrize(
    ("most", "exceeded"),
    [
        (Most(1, operators=2, values=3), None),
        (Most(1), None),
        (Most(1, operators=1), "operators"),
        (Most(1, values=2), "values"),
        (Most(1, operators=1, values=2), "operators"),  # the first in the order of the text
    ],
)
def test_limit_of_operators_and_values(most: Most, exceeded: str | None) -> None:
    if exceeded is None:
        assert parse(TWO) == parse(TWO, most=most)
        return
    with pytest.raises(TooLargeError, match=f"^{exceeded}$") as caught:
        parse(TWO, most=most)
    assert caught.value.operators is (exceeded == "operators")


# -- what is accepted --------------------------------------------------------------------------

TREES: list[tuple[object, Constraint]] = [
    ({}, Everything()),
    ({"userid": [0, -1, 2**31, 2**32 + 7]}, Userid((0, USERID_UNKNOWN, 2**31, 7))),
    ({"userid": []}, Userid(())),
    ({"name": ["a", "", "a"]}, Name(("a", "", "a"))),
    ({"queue": ["debug"]}, Queue(("debug",))),
    ({"states": []}, States(0)),
    ({"states": ["sched", "R", "c", 2**32 + 64]}, States(SCHED | RUN | CLEANUP | INACTIVE)),
    ({"states": ["pd"]}, States(PENDING)),
    ({"states": ["RU"]}, States(RUNNING)),
    ({"states": ["active", "n"]}, States(ACTIVE | NEW)),
    ({"states": [127]}, States(127)),
    ({"results": ["completed", "F", "ca"]}, Results(COMPLETED | FAILED | CANCELED)),
    ({"results": ["TO", 0]}, Results(TIMEOUT)),
    ({"hostlist": []}, Hostlist(hostlist.decode(""))),
    ({"hostlist": ["b,a1", "a[2-3],b"]}, Hostlist(hostlist.decode("b,a[1-3],b"))),
    ({"ranks": []}, Ranks(idset.decode(""))),
    ({"ranks": ["", "[3-4]", "0,4"]}, Ranks(idset.decode("0,3-4"))),
    ({"t_submit": [">=1.5"]}, Timestamp("t_submit", ">=", 1.5)),
    ({"t_depend": ["<=0", 7, None]}, Timestamp("t_depend", "<=", 0.0)),
    ({"t_run": ["> 0X1.8P1"]}, Timestamp("t_run", ">", 3.0)),
    ({"t_inactive": ["<"]}, Timestamp("t_inactive", "<", 0.0)),
    ({"t_sched": ["<Infinity"]}, Timestamp("t_sched", "<", math.inf)),
    (
        {"not": [{"or": []}, {"and": [{}, {"name": []}]}]},
        Not((Or(()), And((Everything(), Name(()))))),
    ),
]


@pytest.mark.parametrize(("obj", "tree"), TREES)
def test_accepted(obj: object, tree: Constraint) -> None:
    assert tree == parse(obj)


def test_no_constraint_is_everything() -> None:
    assert Everything() == parse()


def libc_strtod(text: str) -> float | None:
    """Ask the C library; None if it reports a range error or does not read all of the text."""
    strtod = ctypes.CDLL(None, use_errno=True).strtod
    strtod.restype = ctypes.c_double
    strtod.argtypes = [ctypes.c_char_p, ctypes.POINTER(ctypes.c_char_p)]
    end = ctypes.c_char_p()
    ctypes.set_errno(0)
    value: float = strtod(text.encode(), ctypes.byref(end))
    return None if end.value or ctypes.get_errno() == errno.ERANGE else value


def parsed_time(text: str) -> str:
    """Show what a timestamp is taken for, in a form in which NaN is equal to itself."""
    try:
        tree = parse({"t_run": [f">{text}"]})
    except ConstraintError as error:
        return str(error)
    assert isinstance(tree, Timestamp)
    return repr(tree.value)


def expected_time(value: float | None) -> str:
    if value is None:
        return BAD_TIME
    return "timestamp value must be >= 0.0" if value < 0.0 else repr(value)


def number_texts() -> st.SearchStrategy[str]:
    exponent = st.one_of(st.just(""), st.integers(-400, 400).map(str))
    digits = st.text("0123456789", max_size=25)
    hex_digits = st.text("0123456789abCDef", max_size=20)
    point = st.sampled_from(["", "."])
    return st.one_of(
        st.floats(0, allow_subnormal=False).map(repr),
        st.builds("{}{}{}e{}".format, digits, point, digits, exponent),
        st.builds("0x{}{}{}p{}".format, hex_digits, point, hex_digits, exponent),
        st.builds("{}{}{}".format, digits, point, digits),
        st.sampled_from(["inf", "INFINITY", "nan", "NaN(1_a)", "nan()", "nan(", "infin", "0x"]),
        st.text("0123456789+-.eExXpPaAiInN() \t\n\r\v\f_\xa0٣", max_size=8),
    )


@given(
    st.sampled_from(["", " ", "\t\n\v\f\r "]), st.sampled_from(["", "+", "-"]), number_texts()
)
@example("", "", "")
@example(" ", "", "")
@example("", "-", "0")
@example("", "-", "nan")
@example("", "", "0e99999")
@example("", "", "0x0p99999")
@example("", "", "1" * 400)
@example("", "", "٣")
@example("", "", "ınf")
@example("", "", "nan()")
@example("", "", "0x.8")
def test_numbers_are_those_of_the_c_library(space: str, sign: str, number: str) -> None:
    text = space + sign + number
    value = libc_strtod(text)
    # of the numbers below the normal range the library lets pass those that are exact
    assume(value is None or value == 0.0 or not abs(value) < 2.0**-1022)
    assert expected_time(value) == parsed_time(text)


GREATEST, LEAST = "1.7976931348623157e308", "2.2250738585072014e-308"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GREATEST, sys.float_info.max),
        ("0x1.fffffffffffffp1023", sys.float_info.max),
        ("1.7976931348623159e308", None),
        (LEAST, sys.float_info.min),
        ("0x1p-1022", sys.float_info.min),
        ("2.225073858507201e-308", None),
        ("0x1.ffffffffffffep-1023", None),  # exact, but not of a normal number's form
    ],
)
def test_times_are_normal_numbers(text: str, expected: float | None) -> None:
    assert expected_time(expected) == parsed_time(text)


# -- in general --------------------------------------------------------------------------------

OPERATORS = ["userid", "name", "queue", "states", "results", "hostlist", "ranks", *TIMESTAMPS]


def lists(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(values, max_size=3)


def json_values() -> st.SearchStrategy[Any]:
    scalars = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=12),
        st.text("<>=[]0123-,ax ", max_size=10),
        st.sampled_from(["run", "failed", ">=1", "n[0-9]"]),
    )
    keys = st.sampled_from([*OPERATORS, "and", "or", "not"]) | st.text(max_size=3)
    return st.recursive(
        scalars,
        lambda inner: lists(inner) | st.dictionaries(keys, lists(inner) | inner, max_size=2),
        max_leaves=15,
    )


@given(json_values())
def test_any_value_is_parsed_or_refused(value: Any) -> None:
    error = error_of(value)
    assert error_of({"and": [value]}) == error
    if error is None:
        assert repr(parse({"and": [value]})) == repr(And((parse(value),)))


@given(st.sampled_from(OPERATORS), lists(json_values()))
def test_any_operand_is_parsed_or_refused(op: str, values: list[Any]) -> None:
    assert error_of({op: values}) == error_of({"not": [{"or": [{}, {op: values}]}]})


@given(st.integers(), st.integers())
def test_integers_are_modulo_2_to_the_32(number: int, multiple: int) -> None:
    same = number + multiple * 2**32
    assert parse({"userid": [number]}) == parse({"userid": [same]})
    assert error_of({"states": [number]}) == error_of({"states": [same]})


def test_fold_goes_from_left_to_right() -> None:
    def show(node: Constraint, below: tuple[str, ...]) -> str:
        inner = ",".join(below) if below else str(getattr(node, "values", "")[0])
        return f"{type(node).__name__}({inner})"

    tree = parse({"or": [{"name": ["a"]}, {"not": [{"name": ["b"]}, {"name": ["c"]}]}]})
    assert fold_tree(tree, show) == "Or(Name(a),Not(Name(b),Name(c)))"


def test_nodes_are_immutable_and_know_their_kind() -> None:
    trees = [*(parse(obj) for obj, _ in TREES), parse({"and": []}), parse({"or": []})]
    assert 12 == len({type(tree) for tree in trees})
    for tree in trees:
        assert type(tree).__name__ == msgspec.to_builtins(tree)["type"]
        assert hash(tree) == hash(copy.deepcopy(tree))
        for name in tree.__struct_fields__:
            with pytest.raises(AttributeError, match="immutable"):
                setattr(tree, name, ())

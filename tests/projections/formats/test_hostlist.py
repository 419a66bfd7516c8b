# SPDX-License-Identifier: LGPL-3.0
"""Hostlists (RFC 29): literal cases as libhostlist has them, and agreement with a naive model.

The model is the list of all names, compared as strings. The cases of RFC 29 and of flux-core's
own tests are among those of the tables.
"""

import time
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projections.formats import hostlist, hostlist_runs
from projections.formats.hostlist import HostlistError, HostRange
from projections.formats.hostlist_runs import NameInterval as Interval
from tests.support.processes.memory import peak_memory


@pytest.mark.parametrize(
    ("text", "canonical", "count"),
    [
        ("", "", 0),
        (" ,\t, ", "", 0),
        ("foox,fooy,fooz", "foox,fooy,fooz", 3),
        ("foo1,foo1,foo1", "foo[1,1,1]", 3),
        ("foo[1,1,2,1]", "foo[1,1-2,1]", 4),
        ("foo1,foo2,foo3,fooi", "foo[1-3],fooi", 4),
        ("foo1,fooi,foo2,foo3", "foo1,fooi,foo[2-3]", 4),
        ("foo12,foo[4,1-2]", "foo[12,4,1-2]", 4),
        ("foo-1a-2,foo-1a-3", "foo-1a-[2-3]", 2),
        ("foo1 foo2\tfoo3 , foo4", "foo[1-4]", 4),
        ("a1,b1,a2", "a1,b1,a2", 3),
        ("foo1\nfoo2", "foo1\nfoo2", 1),
        # Digits only, and padding.
        (",1,2,3,4,5,9,", "[1-5,9]", 6),
        ("14636", "14636", 1),
        ("007,8", "[007,8]", 2),
        ("[00-2]", "[00-02]", 3),
        ("[00-02]", "[00-02]", 3),
        ("8,9,10,11", "[8-11]", 4),
        ("08,09,10,11", "[08-11]", 4),
        ("098,099,100", "[098-100]", 3),
        ("99,0100", "[99,0100]", 2),
        ("9,010", "[9,010]", 2),
        ("foo[005,4,11-13]", "foo[005,4,11-13]", 5),
        ("foo[1-9],foo[10-20]", "foo[1-20]", 20),
        # A suffix makes single hosts.
        ("foo[0-2]-eth2", "foo0-eth2,foo1-eth2,foo2-eth2", 3),
        ("[00-02]p", "00p,01p,02p", 3),
        ("p[00-2]p", "p00p,p01p,p02p", 3),
        ("foo[8-10]5", "foo85,foo95,foo105", 3),
        ("foo[1]-eth0,foo1-eth1", "foo1-eth0,foo1-eth1", 2),
        ("foo[1-2]-[3-4]", "foo1-[3-4],foo2-[3-4]", 2),
        ("foo[1-2]]x,y", "foo1]x,y,foo2]x,y", 2),
        # Brackets that are closed before they are opened keep separators from separating.
        ("a]b[1-2]", "a]b[1-2]", 2),
        ("a]b[1-2],c", "a]b1,c,a]b2,c", 2),
        # What strtoul() lets pass between brackets.
        ("foo[5-]", "foo5", 1),
        ("foo[5x-7]", "foo[05-07]", 3),
        ("foo[1, 2]", "foo[1,02]", 2),
        ("foo[+1-3]", "foo[01-03]", 3),
        ("foo[" + " " * 20 + "12]", "foo" + "0" * 20 + "12", 1),
        ("foo[5- 7]", "foo[5-7]", 3),
        # Numbers of 64 bits and more.
        ("foo18446744073709551615", "foo18446744073709551615", 1),
        ("foo18446744073709551616,bar", "bar", 1),
        ("foo100000000000000000000,bar", "bar", 1),
        ("foo[18446744073709551616]", "foo18446744073709551615", 1),
        ("foo[99999999999999999999999]", "foo00018446744073709551615", 1),
        ("foo00000000000000000000000001", "foo00000000000000000000000001", 1),
        ("f[0-1048575]", "f[0-1048575]", 2**20),
        ("f[0-1048575,1048576-2097151]", "f[0-2097151]", 2**21),
    ],
)
def test_decode_and_encode(text: str, canonical: str, count: int) -> None:
    hosts = hostlist.decode(text)
    assert canonical == hostlist.encode(hosts)
    assert count == hostlist.count(hosts)


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "foo[]",
        "foo[1,]",
        "foo[,1]",
        "foo[",
        "foo[1,3",
        "foo[[1,3]",
        "foo]",
        "]",
        "][",
        "bar,foo[1",
        "foo[x-y]",
        "foo[x]",
        "foo[1x]",
        "foo[5x-]",
        "foo[1\t]",
        "foo[-1]",
        "foo[-]",
        "foo[1-2-3]",
        "foo[0-1,2--5]",
        "foo[5- -7]",
        "foo[3-2]",
        "foo[²]",
        "foo[0-1048576]",
        "foo[5-1048581]",
        "foo[" + ",".join(["1"] * 10241) + "]",
        # The C library takes these, with an overflow.
        "foo[0-18446744073709551615]",
        "foo[18446744073709551615]x",
        "foo[1,000000000000000000002]x",
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(HostlistError):
        hostlist.decode(text)


def test_limits_are_reached() -> None:
    assert hostlist.count(hostlist.decode("foo[5-1048580]")) == 2**20
    assert hostlist.count(hostlist.decode("foo[" + ",".join(["1"] * 10240) + "]")) == 10240
    assert hostlist.count(hostlist.decode("foo[1,00000000000000000002]x")) == 2


def test_ranges() -> None:
    expected = (
        HostRange("foo", 1, 3, 1),
        HostRange("bar"),
        HostRange("n", 8, 10, 2, "-ib"),
        HostRange("n", 11, 11, 2, "-ib"),
        HostRange("", 7, 7, 3),
    )
    assert expected == hostlist.decode("foo[1-2],foo3,bar,n[08-10,11]-ib,007")


def test_long_names() -> None:
    assert hostlist.encode(hostlist.decode("a" * 2000)) == "a" * 1023
    short = hostlist.decode("foo,n[1-2]," + "a" * 269 + "[8-11],bar")
    assert list(hostlist.hosts(short)) == ["foo", "n1", "n2", "a" * 269 + "8", "a" * 269 + "9"]
    assert hostlist_runs.first_common_index(short, hostlist.decode("bar")) is None
    longest = hostlist.decode("a" * 269 + "9,bar")
    assert hostlist_runs.first_common_index(longest, hostlist.decode("bar")) == 1
    assert (
        hostlist_runs.first_common_index(short, hostlist.decode("a" * 269 + "[09,9-10]")) == 4
    )


@pytest.mark.parametrize(
    ("text", "host", "position"),
    [
        ("tst0", "tst", -1),
        ("tst0,tst", "tst", 1),
        ("tst,tst0", "tst", 0),
        ("tst", "tst0", -1),
        ("foo[1-5]-eth0", "foo3-eth0", 2),
        ("foo[1-5]-eth0", "foo03-eth0", -1),
        ("foo[1-5]-eth0", "foo-eth0", -1),
        ("foo[1-5]-eth0", "foo3-eth1", -1),
        ("foo[1-5]-eth0", "fox3-eth0", -1),
        ("foo[1-5]", "foo3-eth0", -1),
        ("[0-5]", "3", 3),
        ("[0-5]i", "0", -1),
        ("i[0-5]", "i00", -1),
        ("i[0-5]", "i", -1),
        ("i[00-05]", "i00", 0),
        ("i[00-05]", "i4", -1),
        ("i[08-12]", "i10", 2),
        ("i[8-12]", "i010", -1),
        ("i[8-12]", "i10", 2),
        ("f00[7-8,10]", "f0010", 2),
        ("f0010001[07-08]", "f001000108", 1),
        ("foo[1,1,2,1]", "foo2", 2),
        ("corn1-p2", "corn2", -1),
        ("foo1", "", -1),
        ("foo1", "foo\u0661", -1),
        ("foo[1-2]-[3-4]", "foo1-[3-4]", -1),
        ("foo1", "foo1,", -1),
        # More than ten digits, and a prefix that has some of them.
        ("n12345678[01-02]", "n1234567802", 1),
        ("n123456789[01-02]", "n12345678902", -1),
        ("n[12345678901-12345678902]", "n12345678902", 1),
        ("n123456789[01-02]x", "n12345678902x", 1),
        # Saturation.
        ("n[18446744073709551614-18446744073709551615]", "n18446744073709551615", 1),
        ("n[18446744073709551614-18446744073709551615]", "n99999999999999999999", 1),
        ("n[18446744073709551614-18446744073709551615]", "n018446744073709551615", -1),
        ("n1", "n" + "9" * 5000, -1),
    ],
)
def test_find(text: str, host: str, position: int) -> None:
    assert position == hostlist.find(hostlist.decode(text), host)


@pytest.mark.parametrize(
    ("a", "b", "index"),
    [
        ("", "foo1", None),
        ("foo1", "", None),
        ("foo[1-9]", "foo5", 4),
        ("bar,foo[5,1-9]", "foo[8-20,2]", 3),
        ("foo[1-9]", "foo[01-09]", None),
        ("foo[1-20]", "foo[01-20]", 9),
        ("foo[1-200]", "foo1[00-50]", 99),
        ("foo1[00-50]", "foo[1-200]", 0),
        ("foo1[00-50]", "foo[01-200]", 0),
        ("foo[8-12]", "foo0[8-12]", None),
        ("login,foo", "foo", 1),
        # Positions count duplicates.
        ("x,x,foo[1-3],foo2", "foo[2-3]", 3),
        # A suffix, against the same, a range that ends elsewhere, and single hosts.
        ("foo[1-9]-ib", "foo[5-20]-ib", 4),
        ("foo[1-9]-ib", "foo[5-20]-eth", None),
        ("foo[1-9]-ib", "bar,foo7-ib", 6),
        ("foo7-ib", "foo[1-9]-ib", 0),
        ("foo[1-9]-eth0", "foo3-eth[0-5]", 2),
        ("foo3-eth[0-5]", "foo[1-9]-eth0", 0),
        ("foo3-eth[0-5]", "foo[4-9]-eth0", None),
        ("foo3-eth[1-5]", "foo[1-9]-eth0", None),
        ("foo[1-9]00", "foo[250-420]", 2),
        ("foo[250-420]", "foo[1-9]00", 50),
        ("foo[250-420]", "foo[1-9]0", None),
        ("foo[1-50]0", "foo[1-9]00", 9),
        ("foo[1-9]00", "foo[1-50]10", None),
        ("foo[08-12]0-ib", "foo1[00-99]-ib", 2),
        ("foo[1-9]00-ib", "foo150-ib", None),
        ("foo[1-9]00-ib", "foo300-ib", 2),
        ("foo[10-30]", "foo[1-2]5,foo12", 2),
        ("foo[10-30]", "foo[1-2]1,foo15", 1),
        # Of several runs, of one list or of both, some are not plain.
        ("foo[1-20]", "foo[1-2]0", 9),
        ("foo[1-2]0,bar", "foo[1-20]", 0),
        ("foo[1-9]-ib", "foo[01-09]-ib", None),
        # Steps of ten from other beginnings, and the last number of both.
        ("a[1-3]3", "a[1-4]7", None),
        ("a[1-3]3", "a[2-4]3", 1),
        ("a[1-3]3", "a[3-5]3", 2),
        # Heads of other lengths: the digits between must be a number of the shorter one.
        ("a[1-3]b5", "a1b[4-6]", 0),
        ("a[01-03]b5", "a1b[4-6]", None),
        ("a[1-3]3b5", "a23b[4-6]", 1),
        ("a[1-3]3b5", "a27b[4-6]", None),
        # What is never found.
        ("foo[1-2]-[3-4]", "foo[1-2]-[3-4]", None),
        ("n123456789[01-02]", "n123456789[01-02]", None),
        ("n123456789[01-02]", "n[12345678902-12345678903]", 1),
        ("n[12345678901-12345678902]", "n123456789[01-02]", None),
    ],
)
def test_first_common_index(a: str, b: str, index: int | None) -> None:
    assert index == hostlist_runs.first_common_index(hostlist.decode(a), hostlist.decode(b))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("login", [Interval("login", 0, 0, 0)]),
        ("007", [Interval("", 3, 7, 7)]),
        ("f[8-120]", [
            Interval("f", 1, 8, 9), Interval("f", 2, 10, 99), Interval("f", 3, 100, 120),
        ]),
        ("foo1[02-03],foo[5,5]", [
            Interval("foo", 3, 102, 103), *[Interval("foo", 1, 5, 5)] * 2,
        ]),
        ("n[1-2]-ib0", [Interval("n1-ib", 1, 0, 0), Interval("n2-ib", 1, 0, 0)]),
        ("n[999999999999999999-1000000000000000000]", [
            Interval("n", 18, 10**18 - 1, 10**18 - 1), Interval("n", 19, 0, 0),
        ]),
        ("n1000000000000000001", [Interval("n", 19, 0, 0)]),
        (f"{'n' * 267}[001-999]", [Interval("n" * 267, 3, 1, 999)]),
        (f"{'n' * 268}[001-999]", []),
    ],
)  # fmt: skip
def test_intervals(text: str, expected: list[Interval]) -> None:
    assert expected == list(hostlist_runs.intervals(hostlist.decode(text)))


class Names(NamedTuple):
    text: str
    hosts: list[str]


@st.composite
def items(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A number or range between brackets, and the numbers it stands for."""
    lo = draw(st.integers(0, 12) | st.sampled_from([19, 20, 98, 99, 100, 101, 110]))
    hi = lo + draw(st.sampled_from([0, 0, 1, 3, 90]))
    width = draw(st.integers(1, 3))
    text = f"{lo:0{width}}" + (f"-{hi}" if lo < hi else "")
    return text, [f"{number:0{width}}" for number in range(lo, hi + 1)]


@st.composite
def entries(draw: st.DrawFn) -> Names:
    """A host or a bracketed range; few names, so that lists have some in common."""
    prefix = draw(st.sampled_from(["", "a", "a1", "a10", "a1-b", "0"]))
    if draw(st.booleans()):
        name = prefix + draw(st.sampled_from(["0", "1", "10", "100", "1-b", "1-b0", "x"]))
        return Names(name, [name])
    parts = draw(st.lists(items(), min_size=1, max_size=3))
    suffix = draw(st.sampled_from(["", "", "", "0", "00", "-b", "-b0", "1-b"]))
    text = f"{prefix}[{','.join(text for text, _ in parts)}]{suffix}"
    return Names(text, [prefix + number + suffix for _, numbers in parts for number in numbers])


@st.composite
def lists(draw: st.DrawFn) -> Names:
    parts = draw(st.lists(entries(), max_size=4))
    hosts = [host for part in parts for host in part.hosts]
    return Names(",".join(part.text for part in parts), hosts)


def held_by(interval: Interval) -> set[str]:
    digits = range(interval.lo, interval.hi + 1) if interval.width else [""]
    return {f"{interval.prefix}{number:0>{interval.width}}" for number in digits}


@settings(deadline=None)
@given(lists())
def test_names_agree_with_the_model(names: Names) -> None:
    decoded = hostlist.decode(names.text)
    assert names.hosts == list(hostlist.hosts(decoded))
    assert len(names.hosts) == hostlist.count(decoded)
    assert names.hosts == list(hostlist.hosts(hostlist.decode(hostlist.encode(decoded))))


@settings(deadline=None)
@given(lists(), lists())
def test_concat_is_decoding_the_joined_text(a: Names, b: Names) -> None:
    joined = hostlist.decode(f"{a.text},{b.text}")
    assert joined == hostlist.concat(hostlist.decode(a.text), hostlist.decode(b.text))


@settings(deadline=None)
@given(lists(), entries())
def test_find_agrees_with_the_model(names: Names, others: Names) -> None:
    decoded = hostlist.decode(names.text)
    for host in names.hosts[::7] + others.hosts[::7]:
        expected = names.hosts.index(host) if host in names.hosts else -1
        assert expected == hostlist.find(decoded, host)


@settings(deadline=None, max_examples=300)
@given(lists(), lists())
def test_first_common_index_agrees_with_the_model(a: Names, b: Names) -> None:
    wanted = set(b.hosts)
    expected = next((index for index, host in enumerate(a.hosts) if host in wanted), None)
    both = hostlist.decode(a.text), hostlist.decode(b.text)
    assert expected == hostlist_runs.first_common_index(*both)
    assert (expected is not None) == hostlist_runs.intersects(*both)


@settings(deadline=None)
@given(lists())
def test_intervals_hold_the_hosts_and_no_others(names: Names) -> None:
    found = hostlist_runs.intervals(hostlist.decode(names.text))
    assert set(names.hosts) == {host for interval in found for host in held_by(interval)}


@settings(deadline=None)
@given(st.text("a015[]-, x", max_size=10))
def test_any_text_is_a_list_or_a_hostlist_error(text: str) -> None:
    try:
        decoded = hostlist.decode(text)
    except HostlistError:
        decoded = ()
    assert hostlist.count(decoded) == len(list(hostlist.hosts(decoded)))


@pytest.mark.parametrize("suffix", ["", "0", "-ib", "-ib0"])
def test_ten_million_hosts_take_no_memory_and_no_time(suffix: str) -> None:
    parts = ",".join(f"{part << 20}-{(part + 1 << 20) - 1}" for part in range(10))

    def work() -> None:
        hosts = hostlist.decode(f"n[{parts}]{suffix}")
        other = hostlist.decode(f"n[10485758-11000000]{suffix}")
        assert hostlist.count(hosts) == 10 << 20
        assert hostlist.find(hosts, f"n10485759{suffix}") == (10 << 20) - 1
        assert hostlist_runs.first_common_index(hosts, other) == (10 << 20) - 2
        assert hostlist_runs.intersects(other, hosts)
        if not suffix:  # with one, the text is as long as the list
            assert hostlist.encode(hosts) == "n[0-10485759]"

    start = time.process_time()
    assert peak_memory(work, runs=3) < 100_000
    assert time.process_time() - start < 1  # one host after the other takes many seconds

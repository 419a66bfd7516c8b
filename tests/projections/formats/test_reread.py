# SPDX-License-Identifier: LGPL-3.0
"""Hostlists whose names are read one by one, as librlist does with those of an R."""

from __future__ import annotations

import pytest

from projections.formats import hostlist
from tests.support.processes.memory import peak_memory


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("n[1-3]", "n[1-3]"),
        ("n1,x,n[2-3]", "n1,x,n[2-3]"),
        ("f00[1-2]", "f[001-002]"),
        ("f00[1-2],f003", "f[001-003]"),
        ("f0[8-11]", "f[08-09,010-011]"),
        ("f0[8-101]", "f[08-09,010-099,0100-0101]"),
        ("f1[08-11]", "f[108-111]"),
        ("n[1]-ib0,n[1]-ib1", "n1-ib[0-1]"),
        ("n[1-2]-ib", "n1-ib,n2-ib"),
        ("n[1-2]5", "n[15,25]"),
        ("9", "9"),
        ("n1844674407370955161[4-6]", "n[18446744073709551614-18446744073709551615]"),
        ("n184467440737095516[09-29]", "n[18446744073709551609-18446744073709551615]"),
        ("n1844674407370955162[0-3]", ""),
        ("x,f0[1]", "x,f01"),
    ],
)
def test_digits_before_a_range_belong_to_its_numbers_then(text: str, expected: str) -> None:
    assert expected == hostlist.encode(hostlist.reread(hostlist.decode(text)))


@pytest.mark.parametrize("prefix", ["", "n", "n0", "n00", "n1", "n19", "1", "n-1", "n1-"])
@pytest.mark.parametrize("numbers", ["0-3", "1", "8-12", "08-12", "95-105", "005-012", "9,10"])
@pytest.mark.parametrize("suffix", ["", "0", "-ib", "-ib0"])
def test_reading_names_one_by_one_is_decoding_each(
    prefix: str, numbers: str, suffix: str
) -> None:
    once = hostlist.decode(f"{prefix}[{numbers}]{suffix},x")
    names = list(hostlist.hosts(once))
    again = hostlist.reread(once)
    assert hostlist.concat(*map(hostlist.decode, names)) == again
    assert names == list(hostlist.hosts(again))


def test_a_large_range_is_read_again_without_its_names() -> None:
    def work() -> None:
        found = hostlist.reread(hostlist.decode("n0[0-1048575]"))
        assert 2**20 == hostlist.count(found)
        assert 7 == len(found)

    assert peak_memory(work, runs=3) < 100_000


def test_names_that_cannot_be_read_alone_are_refused() -> None:
    with pytest.raises(hostlist.HostlistError):
        hostlist.reread(hostlist.decode("a]b[1-2]"))

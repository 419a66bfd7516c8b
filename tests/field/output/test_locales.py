# SPDX-License-Identifier: LGPL-3.0
"""Job ids and names in any locale and encoding, as flux-core's fluid.c has it.

The right prefixes are what `flux jobs` of flux-core 0.88 printed in these environments.
"""

from __future__ import annotations

import json

import pytest

from tests.support.command import Command
from tests.support.field_jobs import job

UTF8 = {"LC_ALL": "C.UTF-8"}
ASCII = {
    "C": {"LC_ALL": "C"},
    "POSIX": {"LC_ALL": "POSIX"},
    "no such locale": {"LC_ALL": "xx_YY.UTF-8"},
    "forced": UTF8 | {"FLUX_F58_FORCE_ASCII": "1"},
    "forced by a variable that is empty": UTF8 | {"FLUX_F58_FORCE_ASCII": ""},
    "C in Python's UTF-8 mode": {"LC_ALL": "C", "PYTHONUTF8": "1"},
    "C, not coerced": {"LANG": "C", "PYTHONCOERCECLOCALE": "0"},
}
# Python takes C.UTF-8 for C where LC_ALL does not say it (PEP 538), and `flux jobs` is Python.
CURLY = {
    "C.UTF-8": UTF8,
    "LANG": {"LANG": "C.UTF-8"},
    "nothing said": {},
    "C, coerced": {"LANG": "C"},
}
NAMES = ("plain", "é漢字😀", "q\u20ac")


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """Three jobs with names that few encodings have."""
    jobdb = Command(tmp_path_factory.mktemp("locales"))
    lines = [line for n, name in enumerate(NAMES, 1) for line in job(n, name=name)]
    jobdb.ingest([*lines, *job(9)[1:]])
    return jobdb


@pytest.mark.parametrize("name", CURLY)
def test_a_locale_of_utf8_has_the_curly_f(stored: Command, name: str) -> None:
    done = stored("list", "-Aa", "--no-header", "-o", "{id.f58} {id.f58plain}", env=CURLY[name])
    assert "ƒ2UzHM f2UzHM" in done.lines


@pytest.mark.parametrize("name", ASCII)
def test_any_other_has_the_plain_f(stored: Command, name: str) -> None:
    done = stored("list", "-Aa", "--no-header", "-o", "{id.f58} {id}", env=ASCII[name])
    assert "f2UzHM f2UzHM" in done.lines


SHOWING = {
    "list": ("list", "-Aa"),
    "list by id": ("list", "16777216"),
    "events": ("events", "--jobid", "16777216"),
    "gaps": ("gaps",),
    "accounting --explain": ("accounting", "--explain", "16777216"),
}


@pytest.mark.parametrize("name", SHOWING)
def test_every_command_keeps_to_it(stored: Command, name: str) -> None:
    assert "ƒ" in stored(*SHOWING[name]).out
    assert "ƒ" not in stored(*SHOWING[name], env=ASCII["forced"]).out


def test_messages_keep_to_it(stored: Command) -> None:
    for words in (("history", "f21"), ("info", "f21", "R"), ("list", "f21")):
        assert "ƒ21" in stored(*words, status=1).err
        for env in (ASCII["forced"], ASCII["C"]):
            done = stored(*words, status=1, env=env)
            assert "f21" in done.err
            assert "ƒ" not in done.err
            assert "\\u" not in done.err


@pytest.mark.parametrize("env", [UTF8, *ASCII.values()], ids=["C.UTF-8", *ASCII])
def test_ids_are_read_in_either_form(stored: Command, env: dict[str, str]) -> None:
    for text in ("ƒ2UzHM", "f2UzHM"):
        assert stored("list", "--no-header", "-o", "{id.dec}", text, env=env).lines == [
            "16777216"
        ]


# An encoding of the output that lacks the curly f, or lacks letters of the names.
ENCODINGS = ("ascii", "latin-1", "cp437", "ascii:strict", "latin-1:strict", "iso8859-15:strict",
             "cp1252:strict", "utf-8:strict")  # fmt: skip


@pytest.mark.parametrize(
    "encoding",
    ENCODINGS,
)
def test_what_cannot_be_shown_is_replaced_and_the_list_goes_on(
    stored: Command, encoding: str
) -> None:
    env = UTF8 | {"PYTHONIOENCODING": encoding}
    done = stored("list", "-Aa", "-o", "{id.f58:>8} {name}", env=env)
    rows = done.stdout.decode(encoding.partition(":")[0]).splitlines()
    assert len(rows) == 1 + len(NAMES)
    ids = {row.split()[0] for row in rows[1:]}
    assert {id_[1:] for id_ in ids} == {"2UzHM", "3xyZh", "5Sxr3"}
    assert all(id_[0] in "ƒf" for id_ in ids)
    assert any(row.endswith(" plain") for row in rows)
    assert "" == done.err


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(words, id=words[0])
        for words in (
            ("history", "33554432"),
            ("gaps",),
            ("accounting", "--explain", "33554432"),
            ("list", "-Aa", "-o", "cute"),
        )
    ],
)
def test_no_command_ends_for_want_of_a_letter(stored: Command, words: tuple[str, ...]) -> None:
    fine = stored(*words)
    done = stored(*words, env=UTF8 | {"PYTHONIOENCODING": "ascii:strict"})
    assert len(fine.lines) == len(done.lines)
    assert all(byte < 128 for byte in done.stdout)


def test_json_is_utf8_whatever_the_encoding(stored: Command) -> None:
    for env in (UTF8, {"LC_ALL": "C"}, UTF8 | {"PYTHONIOENCODING": "ascii:strict"}):
        done = stored("list", "-Aa", "--json", env=env)
        assert set(NAMES) == {json.loads(line)["name"] for line in done.stdout.splitlines()}


def test_names_are_asked_for_in_any_locale(stored: Command) -> None:
    for env in (UTF8, {"LC_ALL": "C"}, {"LC_ALL": "POSIX"}):
        done = stored(
            "list", "-Aa", "--name", NAMES[1], "--no-header", "-o", "{id.dec}", env=env
        )
        assert done.lines == ["33554432"]

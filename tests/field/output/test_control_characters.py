# SPDX-License-Identifier: LGPL-3.0
"""Texts of users that would forge rows or command a terminal: shown, and harmless."""

from __future__ import annotations

import gzip
import json
import re
import unicodedata
from pathlib import Path

import pytest

from tests.support.command import ROOT, Command
from tests.support.field_jobs import EPOCH, event, job, recorded

CASE = recorded("control-chars")
HARMFUL = {
    "line feed": "\n", "carriage return": "\r", "tab": "\t", "null": "\0", "bell": "\a",
    "backspace": "\b", "escape": "\x1b", "a command": "\x1b[2J\x1b]0;title\a", "delete": "\x7f",
    "vertical tab": "\v", "form feed": "\f", "separators": "\x1c\x1d\x1e\x1f",
    "next line": "\x85", "control sequence": "\x9b2J", "end of C1": "\x9f",
    "line separator": "\u2028", "paragraph separator": "\u2029",
    "right to left": "\u202e", "isolate": "\u2066", "end of isolate": "\u2069",
}  # fmt: skip
NUMBERS = {name: number for number, name in enumerate(HARMFUL, 1)}
FIELDS = (
    "name", "queue", "bank", "project", "cwd", "exception.note", "exception.type",
    "annotations.user.note", "sched.reason_pending", "uri", "annotations", "user",
    "inactive_reason", "contextual_info", "dependencies",
)  # fmt: skip


def odd(number: int, text: str) -> list[bytes]:
    """Return a job that has a text in everything that is shown of it."""
    value = f"a{text}z"
    notes = {
        "user": {"note": value, "uri": f"ssh://{value}"},
        "sched": {"reason_pending": value},
    }
    lines = job(
        number,
        name=value,
        last="alloc",
        system={"queue": value, "bank": value, "project": value, "cwd": f"/{value}",
                "dependencies": []},
        also={"priority": [event(EPOCH + 3.5, "annotations", {"annotations": notes})],
              "submit": [event(EPOCH + 0.5, "dependency-add", {"description": value})]},
    )  # fmt: skip
    failed = {"type": value, "severity": 0, "note": value, "userid": 1001}
    ended = [event(EPOCH + 5, "exception", failed), event(EPOCH + 6, "clean")]
    return [
        *lines,
        *(json.dumps({"id": number << 24, "events": [one]}).encode() for one in ended),
    ]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """A job for each of the harmful texts."""
    jobdb = Command(tmp_path_factory.mktemp("texts"))
    jobdb.ingest([line for name, text in HARMFUL.items() for line in odd(NUMBERS[name], text)])
    return jobdb


def raw(text: str) -> set[str]:
    """Return the characters of an output that do something: line feeds apart."""
    kinds = {"Cc", "Cf", "Zl", "Zp", "Cs"}
    return {c for c in text.replace("\n", "") if unicodedata.category(c) in kinds}


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_of_a_list_is_one_line_and_does_nothing(stored: Command, field: str) -> None:
    done = stored(
        "list", "-Aa", "--no-header", "--sort", "id", "-o", f"{{id.dec}} |{{{field}}}|"
    )
    assert (set(), len(HARMFUL)) == (raw(done.out), len(done.lines)), done.lines
    for row in done.lines:
        assert re.fullmatch(r"\d+ \|.*\|", row), row


@pytest.mark.parametrize("form", ["default", "cute", "long", "deps", "endreason"])
def test_the_formats_with_names_are_harmless(stored: Command, form: str) -> None:
    done = stored("list", "-Aa", "-o", form)
    assert (set(), 1 + len(HARMFUL)) == (raw(done.out), len(done.lines))


def test_other_conversions_and_specs_are_harmless(stored: Command) -> None:
    specs = ("", "!s", ":>30", ":<4.4+", ":.3h", "!s:^20.9h+", "!r", "!a")
    form = " ".join(f"{{name{spec}}} ?+:{{queue{spec}}}" for spec in specs)
    done = stored("list", "-Aa", "--no-header", "-o", form)
    assert (set(), len(HARMFUL)) == (raw(done.out), len(done.lines))


@pytest.mark.parametrize("name", [n for n in HARMFUL if HARMFUL[n] > "\x1f" or n == "null"])
def test_a_history_and_an_explanation_are_harmless(stored: Command, name: str) -> None:
    jobid = str(NUMBERS[name] << 24)
    for words in (("history", jobid), ("accounting", "--explain", jobid)):
        done = stored(*words)
        assert set() == raw(done.out), words
        assert "a" in done.out


def test_a_character_is_shown_in_the_same_way_everywhere(stored: Command) -> None:
    for name in ("escape", "delete", "next line"):
        jobid = str(NUMBERS[name] << 24)
        cell = stored("list", jobid, "--no-header", "-o", "{name}").lines[0]
        assert re.fullmatch(r"a\\.+z", cell), cell
        assert cell in stored("history", jobid).out
        assert f"bank       {cell} " in stored("accounting", "--explain", jobid).out
        assert cell in stored("list", jobid, "-o", "{exception.note} {queue:>40}").out


def test_a_pipe_and_a_terminal_show_the_same(jobdb: Command) -> None:
    jobdb.ingest(CASE)
    words = ("list", "-Aa", "-o", "{id.f58:>12} {name:<10.10+} {name} {contextual_info}")
    piped = jobdb(*words)
    shown = jobdb.on_terminal(*words, "--color=never", streams=("stdout", "stderr"))
    assert piped.out == shown.err
    assert (3, set()) == (len(piped.lines), raw(piped.out))
    assert "[2Jy" in piped.out  # nothing of the value is lost
    assert [] == [line for line in piped.lines if line.startswith("      ƒ9zzzzz")]


@pytest.mark.parametrize(
    "path", sorted((ROOT / "cli").rglob("*.py")), ids=lambda path: path.stem
)
def test_everything_is_shown_by_one_function(path: Path) -> None:
    """`say` escapes what is harmful; these would not. main.py writes its own help."""
    calls = re.findall(
        r"\b(click\.s?echo|print|std(?:out|err)\.write)\(", path.read_text("utf-8")
    )
    assert [] == calls or path.name == "main.py"


def test_machines_get_what_came(stored: Command, jobdb: Command) -> None:
    names = {row["name"] for row in stored("list", "-Aa", "--json").objects}
    # As in job-list, a text ends at a null.
    assert names == {f"a{text}z".partition("\0")[0] for text in HARMFUL.values()}
    jobdb.ingest(CASE)
    raw_events = [json.dumps(one) for line in CASE[1:] for one in json.loads(line)["events"]]
    found = jobdb("events", "--raw").stdout.splitlines()
    assert [json.loads(one) for one in raw_events] == [json.loads(one) for one in found]


def test_harmless_letters_stay_as_they_are(jobdb: Command) -> None:
    names = (
        "é漢字😀",
        "a\\nb",
        "100%",
        "quo\"te'",
        "\u00a0",
        "e\u0301",
        "👩\N{VARIATION SELECTOR-16}",
    )
    jobdb.ingest([line for n, name in enumerate(names, 1) for line in job(n, name=f"x{name}x")])
    done = jobdb("list", "-Aa", "--no-header", "--sort", "id", "-o", "{name}")
    assert done.lines == [f"x{name}x" for name in names]


def test_a_users_own_format_is_taken_as_it_is(jobdb: Command) -> None:
    jobdb.ingest(job(1))
    done = jobdb("list", "-Aa", "--no-header", "-o", "{id.dec}\t{name}\x1f")
    assert done.out == "16777216\tapp\x1f\n"


def test_names_of_files_and_sources_are_harmless(jobdb: Command) -> None:
    name = "j\x1b[31m\n\x7f\x9b\u202e.gz"
    whole = gzip.compress(b"".join(line + b"\n" for line in job(1)))
    (jobdb.folder / name).write_bytes(whole[:-20])
    shown = [jobdb("ingest", name, status=1).err, jobdb("ingest", f"no\n{name}", status=1).err]
    assert "source" in jobdb("gaps").out
    shown += [jobdb("gaps").out]
    assert [set()] * 3 == [raw(text) for text in shown]
    assert shown[1].count("\n") == 1
    assert len(jobdb("gaps").lines) == 1


MESSAGES = {
    "an id": "list {}",
    "an id for history": "history {}",
    "a field": "list -o {{{}}}",
    "a format": "list -o {}",
    "a sort key": "list --sort {}",
    "a user": "list -u {}",
    "a state": "list -f {}",
    "hosts": "list -i n[{}",
    "a time": "list --since {}",
    "a projection": "rebuild {}",
    "a database": "--db {} stats",
    "a target": "accounting --to {}",
    "a digest": "verify --head {}",
    "a command": "{}",
    "an option": "list --{}",
    "a topic": "rpc {} null",
    "a configuration": "rpc --config {} job-list.list",
}


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Command:
    jobdb = Command(tmp_path_factory.mktemp("empty"))
    jobdb.ingest(job(1))
    return jobdb


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_shows_what_it_is_about_harmlessly(empty: Command, name: str) -> None:
    text = "x\x1b[2J\r\n\x9b\x7f\u202ey"
    done = empty(*MESSAGES[name].format(text).split(" "), status=(1, 2))
    assert set() == raw(done.err), done.err
    assert done.err.count("\n") <= 4
    assert "2J" in done.err


@pytest.mark.parametrize(
    "words",
    [b"list --name \xff", b"ingest \xff", b"list \xff",
     b"--db \xff stats", b"list -o {\xff}", b"history \xff", b"list -o \xff{id}",
     b"rebuild \xff", b"list -u \xff"],
)  # fmt: skip
def test_an_argument_that_is_no_text_is_no_crash(empty: Command, words: bytes) -> None:
    done = empty(*words.split(), status=(0, 1, 2))
    assert done.err.count("\n") <= 4


@pytest.mark.parametrize(
    ("half", "where"),
    [("\\ud800", "name"), ("\\udc00\\ud800", "queue")],
)
def test_half_a_character_is_no_crash(jobdb: Command, half: str, where: str) -> None:
    whole = job(1, name="HALF") if where == "name" else job(1, system={"queue": "HALF"})
    lines = [line.replace(b"HALF", half.encode()) for line in whole]
    jobdb.ingest([*lines, *job(2)], status=(0, 3))
    for words in (("list", "-Aa"), ("list", "-Aa", "--json"), ("history", "16777216")):
        assert jobdb(*words).stdout
    assert "33554432" in jobdb("list", "-Aa", "--no-header", "-o", "{id.dec}").lines

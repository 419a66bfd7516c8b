# SPDX-License-Identifier: LGPL-3.0
"""The same events in other JSON text are the same; others that look alike are not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.command import Command
from tests.support.fake_bus import SENTINEL, Module
from tests.support.field_jobs import EPOCH, backlog, event, job, recorded

LATER = "1790000009.5"
HEAD = f'"timestamp":{LATER},"name":"annotations"'

# Two texts of an event's context, and whether they mean the same.
CONTEXTS: dict[str, tuple[str, str, bool]] = {
    "white space": ('{"a":[1,{"b":2}]}', '{ "a" : [ 1 , { "b" : 2 } ] }', True),
    "tabs": ('{"a":1,"b":2}', '{\t"a":\t1,\t"b":\t2\t}', True),
    "order of members": ('{"a":1,"b":{"c":2,"d":3}}', '{"b":{"d":3,"c":2},"a":1}', True),
    "escaped letters": ('{"a":"app"}', '{"\\u0061":"\\u0061pp"}', True),
    "hex digits of escapes": ('{"a":"\\u00e9"}', '{"a":"\\u00E9"}', True),
    "a letter and its escape": ('{"a":"é"}', '{"a":"\\u00e9"}', True),
    "a pair of surrogates": ('{"a":"😀"}', '{"a":"\\ud83d\\ude00"}', True),
    "an escaped slash": ('{"a":"/tmp"}', '{"a":"\\/tmp"}', True),
    "two ways to a line feed": ('{"a":"\\n"}', '{"a":"\\u000A"}', True),
    "whole reals": ('{"a":300}', '{"a":300.0}', True),
    "an exponent": ('{"a":300.0}', '{"a":3e2}', True),
    "a capital exponent": ('{"a":0.25}', '{"a":25E-2}', True),
    "zeros at the end": ('{"a":0.5}', '{"a":0.50000}', True),
    "digits beyond a double": ('{"a":0.1}', '{"a":0.1000000000000000055511151231257827}', True),
    "minus zero": ('{"a":0.0}', '{"a":-0.0}', True),
    "minus zero as an integer": ('{"a":0}', '{"a":-0}', True),
    "a member twice": ('{"a":2}', '{"a":1,"a":2}', True),
    "wide integers": ('{"a":9007199254740993}', '{ "a": 9007199254740993 }', True),
    "integers beyond 64 bits": ('{"a":' + "9" * 30 + "}", '{ "a": ' + "9" * 30 + " }", True),
    "wide integers, one apart": ('{"a":9007199254740993}', '{"a":9007199254740992}', False),
    "the greatest of 64 bits": (
        '{"a":18446744073709551615}',
        '{"a":18446744073709551614}',
        False,
    ),
    "a number and its text": ('{"a":1}', '{"a":"1"}', False),
    "true and 1": ('{"a":true}', '{"a":1}', False),
    "false and 0": ('{"a":false}', '{"a":0}', False),
    "true and 1, deep down": ('{"a":[{"b":true}]}', '{"a":[{"b":1.0}]}', False),
    "null and nothing": ('{"a":null}', "{}", False),
    "an empty list and object": ('{"a":[]}', '{"a":{}}', False),
    "null and false": ('{"a":null}', '{"a":false}', False),
    "order of a list": ('{"a":[1,2]}', '{"a":[2,1]}', False),
    "1 and 1.5": ('{"a":1}', '{"a":1.5}', False),
    "white space in a text": ('{"a":"x y"}', '{"a":"x  y"}', False),
    "case of a text": ('{"a":"x"}', '{"a":"X"}', False),
    "accents composed or not": ('{"a":"é"}', '{"a":"e\u0301"}', False),
    "an escaped backslash": ('{"a":"\\n"}', '{"a":"\\\\n"}', False),
    "which member": ('{"a":1}', '{"b":1}', False),
    "another of a member twice": ('{"a":1}', '{"a":1,"a":2}', False),
    "lists of lists": ('{"a":[[1],2]}', '{"a":[1,[2]]}', False),
}
# Two texts of a whole event.
EVENTS: dict[str, tuple[str, str, bool]] = {
    "the event's members": (
        f'{{{HEAD},"context":{{"a":1}}}}',
        f'{{"context":{{"a":1}},"name":"annotations","timestamp":{LATER}}}', True),
    "the time with an exponent": (
        f'{{{HEAD},"context":{{"a":1}}}}',
        '{"timestamp":1.7900000095e9,"name":"annotations","context":{"a":1}}', True),
    "the time with more zeros": (
        f'{{{HEAD},"context":{{"a":1}}}}',
        f'{{"timestamp":{LATER}000,"name":"annotations","context":{{"a":1}}}}', True),
    "the name escaped": (
        f'{{{HEAD},"context":{{"a":1}}}}',
        f'{{"timestamp":{LATER},"name":"annotation\\u0073","context":{{"a":1}}}}', True),
    "white space in an event": (
        f'{{{HEAD},"context":{{"a":1}}}}',
        f'{{ "timestamp" : {LATER} , "name" : "annotations" , "context" : {{"a":1}} }}', True),
    "another time": (
        f'{{{HEAD},"context":{{"a":1}}}}',
        '{"timestamp":1790000009.75,"name":"annotations","context":{"a":1}}', False),
    "another name": (
        f'{{{HEAD},"context":{{"a":1}}}}',
        f'{{"timestamp":{LATER},"name":"memo","context":{{"a":1}}}}', False),
}  # fmt: skip
PAIRS = {
    name: (f'{{{HEAD},"context":{one}}}', f'{{{HEAD},"context":{two}}}', same)
    for name, (one, two, same) in CONTEXTS.items()
} | EVENTS


def live(number: int, text: str) -> bytes:
    return f'{{"id":{number << 24},"events":[{text}]}}'.encode()


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """How many events of each pair's job are stored, after both texts of it were read."""
    jobdb = Command(tmp_path_factory.mktemp("pairs"))
    numbers = {name: number for number, name in enumerate(PAIRS, 1)}
    starts = [line for number in numbers.values() for line in job(number, last="priority")]
    jobdb.ingest([*starts, *(live(n, PAIRS[name][0]) for name, n in numbers.items())])
    jobdb.ingest([live(n, PAIRS[name][1]) for name, n in numbers.items()])
    words = [line.split()[1] for line in jobdb("events").lines]
    plain = jobdb("list", "-A", "-c0", "--no-header", "-o", "{id.dec} {id.f58}").lines
    names = {int(dec): f58 for dec, f58 in map(str.split, plain)}
    return {name: words.count(names[number << 24]) for name, number in numbers.items()}


@pytest.mark.parametrize("name", PAIRS)
def test_a_live_event_is_told_by_its_values(stored: dict[str, int], name: str) -> None:
    first = 4  # submit to priority
    assert first + (1 if PAIRS[name][2] else 2) == stored[name]


@pytest.mark.parametrize("first", ["orig", "reformatted"])
def test_a_journal_of_another_writer_brings_nothing_new(jobdb: Command, first: str) -> None:
    second = {"orig": "reformatted", "reformatted": "orig"}[first]
    done = jobdb.ingest(recorded(f"reserialised-{first}"))
    assert "10 events new, 0 already stored" in done.err
    raw = jobdb("events", "--raw").stdout
    done = jobdb.ingest(recorded(f"reserialised-{second}"))
    assert "0 events new, 10 already stored; 0 rejects" in done.err
    assert raw == jobdb("events", "--raw").stdout  # what came first is kept
    jobdb("verify")


def test_both_journals_in_one_file_are_one(jobdb: Command) -> None:
    both = recorded("reserialised-orig") + recorded("reserialised-reformatted")[1:]
    assert "10 events new, 10 already stored; 0 rejects" in jobdb.ingest(both).err


def test_the_module_recognises_another_writers_events(module: Module) -> None:
    for name in ("reserialised-orig", "reserialised-reformatted"):
        module.feed(*recorded(name)[1:])
        module.bus.pass_time(1)
    assert (10, 10) == (module.live.follower.total.new, module.live.follower.total.known)


def test_a_backlog_in_other_text_brings_nothing_new(jobdb: Command) -> None:
    jobdb.ingest(recorded("reserialised-orig"))
    spaced = json.dumps(json.loads(backlog(recorded("reserialised-orig")[1:]))).encode()
    assert "0 events new, 10 already stored" in jobdb.ingest([spaced, SENTINEL]).err


def test_lines_that_end_as_in_windows_are_the_same(jobdb: Command) -> None:
    lines = recorded("reserialised-orig")
    jobdb.ingest(lines)
    done = jobdb.ingest([line + b"\r" for line in lines])
    assert "0 events new, 10 already stored; 0 rejects" in done.err


@pytest.mark.parametrize(
    "again", [b'{"jobs": [16777216, 33554432]}', b'{ "jobs":[16777216,33554432] }\r']
)
def test_a_purge_in_other_text_is_the_same(jobdb: Command, again: bytes) -> None:
    jobdb.ingest([*job(1), *job(2), b'{"jobs":[16777216,33554432]}'])
    jobdb.ingest([again])
    assert jobdb.stats()["purges"] == 1
    jobdb.ingest([b'{"jobs":[16777216]}'])
    assert jobdb.stats()["purges"] == 2


def test_two_purges_of_other_jobs_are_two(jobdb: Command) -> None:
    jobdb.ingest([*job(1), *job(2), b'{"jobs":[16777216]}', b'{"jobs":[33554432]}'])
    assert jobdb.stats()["purges"] == 2


def test_what_came_with_a_known_event_is_kept_as_it_came(
    jobdb: Command, tmp_path: Path
) -> None:
    lines = recorded("reserialised-orig")
    jobdb.ingest(lines)
    for key in ("jobspec", "R"):
        (tmp_path / key).write_bytes(jobdb("info", "16777216", key).stdout)
    jobdb.ingest([backlog(lines[1:]).replace(b'"name":"re"', b'"name":"other"')])
    for key in ("jobspec", "R"):
        assert (tmp_path / key).read_bytes() == jobdb("info", "16777216", key).stdout


def test_equal_events_at_different_times_are_two(jobdb: Command) -> None:
    one, two = (event(EPOCH + 20 + n, "annotations", {"a": 1}) for n in (0, 1))
    done = jobdb.ingest(job(1, also={"clean": [one, two]}))
    assert "12 events new" in done.err

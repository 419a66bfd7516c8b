# SPDX-License-Identifier: LGPL-3.0
"""Malformed input: unexpected JSON, and damaged databases.

It is determined by a ``random.Random`` or by bytes, so that hypothesis, atheris or a loop can
reproduce it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import apsw

DEPTH = 10_000
MEGABYTE = b'"' + b"x" * 2**20 + b'"'
DEEP = (b"[" * DEPTH + b"]" * DEPTH, b'{"a":' * DEPTH + b"1" + b"}" * DEPTH)
SNIPPETS: tuple[bytes, ...] = (
    # numbers
    b"0", b"-0", b"-1", b"1", b"2147483648", b"4294967295", b"9223372036854775807",
    b"-9223372036854775808", b"9223372036854775808", b"18446744073709551616", b"1" * 400,
    b"1e300", b"-1e300", b"1e999", b"1e-999", b"0.1", b"1.5e9", b"253402300800", b"1E400",
    b"NaN", b"Infinity", b"-Infinity", b"01", b"+1", b"1.", b".5", b"0x10",
    # texts
    b'""', b'"\\u0000"', b'"a\\u0000b"', b'"\xff\xfe"', b'"\xc3\x28"', b'"\xed\xa0\x80"',
    b'"\\ud800"', b'"\\udc00\\ud800"', b'"\\x"', b'"\x00"', b'"\n"', b'"\xe2\x80\xa8"',
    b'"' + b"n" * 5000 + b'"',
    # other values, and none
    b"null", b"true", b"false", b"{}", b"[]", b"[[]]", b"[null]", b"", b"nul", b"}", b"]", b",",
    # hostlists, idsets, statistics, states, times
    b'"0-4294967295"', b'"0-99999999999999999999"', b'"5-1"', b'"1,,2"', b'"n[0-999999999]"',
    b'"n[00001-99999]"', b'"n[1-2"', b'"' + b"[1-9]" * 12 + b'"', b'"n[1-3]m[4-6]"', b'"all"',
    b'">=1e300"', b'"<NaN"', b'">"', b'"=-1"', b'"inactive"', b'["pending","failed"]',
    # events, constraints and jobs that go together oddly
    b'"submit"', b'"clean"', b'"memo"', b'"flux-restart"', b'"invalidate"', b'"jobspec-update"',
    b'{"not":[{"not":[{"not":[]}]}]}', b'{"and":[],"or":[]}', b'{"userid":[-1]}',
    b'{"attributes.system.queue":{"a":1}}', b'{"attributes":5}', b'{"type":5,"severity":"x"}',
)  # fmt: skip
_RARE = (MEGABYTE, *DEEP)
_MARK = "\ue000mark\ue000"  # what a snippet stands for while the rest is written


def mutate(data: bytes, random_: random.Random) -> bytes:
    """Return ``data`` with an error in its JSON or in its bytes."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return _bytes(data, random_)
    if random_.random() < 0.15:
        return _bytes(data, random_)
    for _ in range(random_.choice((1, 1, 1, 2, 3))):
        value = _inside(value, random_)
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(
            errors="surrogatepass"
        )
    except RecursionError:
        return _bytes(data, random_)
    mark = json.dumps(_MARK, ensure_ascii=False).encode()
    while mark in text:
        text = text.replace(mark, snippet(random_), 1)
    return text


def snippet(random_: random.Random) -> bytes:
    """Return any text that may stand where a JSON value does."""
    return random_.choice(_RARE if random_.random() < 0.01 else SNIPPETS)


def _inside(value: Any, random_: random.Random) -> Any:
    """Change one place in a JSON value."""
    if isinstance(value, dict) and value and random_.random() < 0.85:
        return _inside_object(value, random_)
    if isinstance(value, list) and value and random_.random() < 0.85:
        return _inside_array(value, random_)
    if isinstance(value, (int, float)) and abs(value) < 1e300 and random_.random() < 0.3:
        return value + random_.choice((-1, 1, 0.5, 1e6, -1e6, 2**32))
    return _MARK


def _inside_object(value: dict[str, Any], random_: random.Random) -> dict[str, Any]:
    key, what = random_.choice(list(value)), random_.random()
    if what < 0.08:
        return {k: v for k, v in value.items() if k != key}
    if what < 0.14:
        return {(_MARK if k == key else k): v for k, v in value.items()}
    if what < 0.2:
        return {**value, random_.choice(("id", "events", "x", "", "\0")): value[key]}
    return {k: _inside(v, random_) if k == key else v for k, v in value.items()}


def _inside_array(value: list[Any], random_: random.Random) -> list[Any]:
    index, what = random_.randrange(len(value)), random_.random()
    if what < 0.1:
        return value[:index] + value[index + 1 :]
    if what < 0.25:
        return value[:index] + [value[index]] * random_.choice((2, 3, 30)) + value[index:]
    if what < 0.35:
        return random_.sample(value, len(value))
    return [_inside(v, random_) if i == index else v for i, v in enumerate(value)]


def _bytes(data: bytes, random_: random.Random) -> bytes:
    found = bytearray(data)
    for _ in range(random_.choice((1, 1, 2, 5))):
        at = random_.randrange(len(found) + 1)
        what = random_.randrange(4)
        if what == 0 and at < len(found):
            found[at] ^= 1 << random_.randrange(8)
        elif what == 1:
            del found[at : at + random_.choice((1, 2, 20, 2000))]
        elif what == 2:
            found[at:at] = snippet(random_)
        else:
            found[at:at] = found[at : at + random_.choice((1, 10, 100))]
    return bytes(found)


# -- databases

_VALUES = (
    "NULL", "0", "-1", "9223372036854775807", "-9223372036854775808", "1e300", "-1e300",
    "''", "'x'", "x''", "x'00'", "x'ff'", "x'c1'", "'2.1'", "zeroblob(100000)",
    "CAST('{\"timestamp\":1.5,\"name\":\"clean\"}' AS BLOB)",
    "CAST('{\"jobs\":[1,2]}' AS BLOB)",
    "9e999", "'{\"id\":1}'", "x'0093'", "x'dc0020'", "1", "2", "3", "99",
)  # fmt: skip
_ANYWHERE = (
    "UPDATE {table} SET {column} = {value} WHERE rowid = {row}",
    "UPDATE {table} SET {column} = {value}",
    "UPDATE {table} SET {column} = {column} + 1 WHERE rowid = {row}",
    "DELETE FROM {table} WHERE rowid = {row}",
    "DELETE FROM {table} WHERE rowid >= {row}",
    "DELETE FROM {table}",
    "INSERT INTO {table} ({column}) VALUES ({value})",
    "ALTER TABLE {table} RENAME COLUMN {column} TO renamed",
    "ALTER TABLE {table} RENAME TO renamed",
    "DROP TABLE {table}",
    "CREATE TABLE IF NOT EXISTS rebuild_{table} (a)",
    "PRAGMA user_version = {row}",
    "PRAGMA application_id = {row}",
    "DROP INDEX IF EXISTS {index}",
    "DROP TRIGGER IF EXISTS event_no_update",
    "UPDATE sqlite_schema SET rootpage = {row} WHERE name = '{table}'",
    "UPDATE sqlite_schema SET sql = {value} WHERE name = '{table}'",
)
_OP = 7  # bytes that say what is done once


def damage(path: str, ops: bytes) -> None:
    """Damage a database as ``ops`` say, seven bytes an operation, at most twelve of them."""
    for start in range(0, min(len(ops), 12 * _OP), _OP):
        op = ops[start : start + _OP].ljust(_OP, b"\0")
        if op[0] < 128:
            _change_rows(path, op[1:])
        else:
            _change_bytes(Path(path + ("-wal" if op[0] % 4 == 0 else "")), op[1:])


def _change_bytes(file: Path, op: bytes) -> None:
    data = bytearray(file.read_bytes() if file.exists() else b"")
    kind, where, value = op[0] % 6, int.from_bytes(op[1:5], "little"), op[5]
    at = where % (len(data) or 1)
    page = at // 512 * 512
    if kind == 0:
        data[at : at + 1] = bytes([value])
    elif kind == 1:
        # The header of a page, and its pointers, are where most depends on a byte.
        at = page + value % 24
        data[at : at + 1] = bytes([op[4]])
    elif kind == 2:
        data[page : page + 512] = bytes([value]) * 512
    elif kind == 3:
        other = (where >> 8) % (len(data) // 512 or 1) * 512
        data[page : page + 512], data[other : other + 512] = (
            data[other : other + 512],
            data[page : page + 512],
        )
    elif kind == 4:
        del data[at:]
    else:
        data[at:at] = bytes([value]) * (op[4] + 1)
    file.write_bytes(data)


def _change_rows(path: str, op: bytes) -> None:
    """Damage it by SQL: the file stays well-formed, its content does not."""
    db = apsw.Connection(path)
    try:
        db.execute("PRAGMA writable_schema = ON")
        tables = list(_names(db, "table"))
        table = tables[op[1] % (len(tables) or 1)]
        columns = [
            name for (name,) in db.execute(f"SELECT name FROM pragma_table_info('{table}')")
        ]
        indexes = [*_names(db, "index")] or ["none"]
        for (name,) in db.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'trigger'"
        ).fetchall():
            db.execute(f"DROP TRIGGER {name}")
        db.execute(
            _ANYWHERE[op[0] % len(_ANYWHERE)].format(
                table=table,
                column=columns[op[2] % (len(columns) or 1)],
                value=_VALUES[op[3] % len(_VALUES)],
                row=op[4],
                index=indexes[op[5] % len(indexes)],
            )
        )
    except (apsw.Error, IndexError):
        pass  # it was damaged before, or does not let itself be changed so
    finally:
        db.close()


def _names(db: apsw.Connection, kind: str) -> Iterator[str]:
    sql = (
        "SELECT name FROM sqlite_schema WHERE type = ? AND name NOT LIKE 'sqlite_%' ORDER BY 1"
    )
    try:
        yield from [name for (name,) in db.execute(sql, (kind,))]
    except UnicodeDecodeError:
        return  # damaged already


Mutator = Callable[[bytes, random.Random], bytes]


def several(data: bytes, random_: random.Random, lines: Sequence[bytes]) -> bytes:
    """Return an input of some lines: given ones, and ``data`` that was mutated."""
    found = [
        *random_.sample(lines, min(len(lines), random_.randrange(3))),
        mutate(data, random_),
    ]
    random_.shuffle(found)
    return b"\n".join(found)

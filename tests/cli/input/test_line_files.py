# SPDX-License-Identifier: LGPL-3.0
"""Lines of files and pipes: whole, once each, in bounded batches, compressed or not."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import signal
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.input import line_files
from cli.input.decompression import ERRORS, MAGIC_SIZE, decompressed
from cli.input.journal_files import JournalFile, NoJournalError
from cli.input.line_files import LineFile
from cli.input.stop_signals import StopSignals
from eventstore.errors import InputError

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}
RESPONSE = b'{"id":5,"events":[]}'


def lines_of(path: Path) -> list[bytes]:
    return [line for batch in LineFile(str(path)).batches() for line in batch]


def cut(data: bytes, sizes: list[int]) -> Iterator[bytes | None]:
    """Yield data in pieces, with silence between them."""
    while data:
        size = sizes.pop() if sizes else len(data)
        yield data[:size]
        yield None
        data = data[size:]


@pytest.mark.parametrize("kind", COMPRESS)
@given(
    members=st.lists(st.binary(max_size=300), min_size=1, max_size=4),
    sizes=st.lists(st.integers(1, 60), max_size=20),
    padding=st.sampled_from([b"", b"\0" * 4, b"\0" * 512]),
)
def test_members_come_one_behind_the_other(
    kind: str, members: list[bytes], sizes: list[int], padding: bytes
) -> None:
    data = b"".join(COMPRESS[kind](member) + padding for member in members)
    found = decompressed(data[:MAGIC_SIZE], cut(data[MAGIC_SIZE:], sizes))
    assert b"".join(members) == b"".join(piece or b"" for piece in found)


@pytest.mark.parametrize("kind", COMPRESS)
def test_a_stream_that_grows_is_passed_on_in_bounded_pieces(kind: str) -> None:
    data = COMPRESS[kind](bytes(30 * 2**20))
    sizes = [len(piece or b"") for piece in decompressed(data, iter(()))]
    assert (30 * 2**20, True) == (sum(sizes), max(sizes) <= 2**20)


@pytest.mark.parametrize("kind", COMPRESS)
def test_what_ends_too_early_is_an_error_behind_what_could_be_read(kind: str) -> None:
    plain = os.urandom(5000)
    data = COMPRESS[kind](plain)
    found: list[bytes] = []
    with pytest.raises(ERRORS):
        found.extend(piece or b"" for piece in decompressed(data[:-3], iter(())))
    assert kind == "bzip2" or b"".join(found)[:4000] == plain[:4000]  # one block of bzip2


def test_what_was_flushed_is_passed_on_at_once() -> None:
    """Also where it is exactly as much as is passed on at once."""
    deflate = zlib.compressobj(wbits=31)
    data = deflate.compress(os.urandom(2**20)) + deflate.flush(zlib.Z_SYNC_FLUSH)
    found = decompressed(data, iter([None]))
    sizes = []
    for piece in found:
        if piece is None:
            break
        sizes.append(len(piece))
    assert sum(sizes) == 2**20


def test_a_line_beyond_the_limit_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_files, "_LONGEST", 100)
    monkeypatch.setattr(line_files, "_PIECE", 30)
    path = tmp_path / "lines"
    path.write_bytes(b"a\n" + b"b" * 1000 + b"\nc\n" + b"d" * 1000)
    assert [b"a", b"b" * 100, b"c", b"d" * 100] == lines_of(path)


@given(st.lists(st.sampled_from([b"", b" ", b"\t\r", b"x", b"yy\r", b"z" * 40])))
@pytest.mark.parametrize("end", [b"", b"\n"])
def test_blank_lines_are_passed_over_and_others_kept(
    tmp_path_factory: pytest.TempPathFactory, end: bytes, lines: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("lines") / "lines"
    path.write_bytes(b"\n".join(lines) + end)
    assert [line for line in lines if line.strip()] == lines_of(path)


def test_batches_are_bounded_by_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_files, "_MOST_BYTES", 1000)
    monkeypatch.setattr(line_files, "_PIECE", 200)
    path = tmp_path / "lines"
    path.write_bytes(b"x" * 99 + b"\n" + b"y" * 99 + b"\n" * 1 + (b"z" * 99 + b"\n") * 98)
    batches = list(LineFile(str(path)).batches())
    assert 100 == sum(map(len, batches))
    assert all(sum(map(len, batch)) <= 1200 for batch in batches)


def test_a_silent_pipe_is_not_asked_again_and_again(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writing = threading.Thread(target=lambda: _write_slowly(fifo))
    writing.start()
    file = LineFile(str(fifo), patience=0.05)
    pieces = list(file._pieces())
    file.close()
    writing.join()
    assert [b"1\n", None, b"2\n"] == pieces[:3]
    assert len(pieces) <= 4


def _write_slowly(path: Path) -> None:
    with path.open("wb", buffering=0) as pipe:
        pipe.write(b"1\n")
        time.sleep(0.5)
        pipe.write(b"2\n")


def test_a_signal_is_noted_and_the_next_one_ends(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"1\n2\n")
    # A shell's background processes ignore it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with StopSignals() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert signal.SIGINT == stop.number
        assert [] == list(LineFile(str(path), stop=stop).batches())
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.default_int_handler == signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, before)


def test_ignored_signals_stay_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopSignals() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert 0 == stop.number
    finally:
        signal.signal(signal.SIGHUP, before)


HEADS: dict[str, tuple[bytes, bool]] = {
    "a journal": (RESPONSE, True),
    "nineteen other lines": (b"other\n" * 19 + RESPONSE, True),
    "twenty other lines": (b"other\n" * 20 + RESPONSE, False),
    "blank lines do not count": (b"\n" * 500 + b"other\n" + RESPONSE, True),
    "a long first response": (b'{"id":5,"events":[],"x":"' + b"y" * 2**21 + b'"}', True),
    "one in other order": (b'{ "events":[], "x":"' + b"y" * 2**21 + b'","id":5}', True),
    "a long line": (b"y" * 2**21 + b"\n" + RESPONSE, False),
    "a long line alone": (b'{"x":"' + b"y" * 2**21, False),
    "a purge": (b'{"jobs":[1]}', True),
    "nothing": (b"", True),
}


@pytest.mark.parametrize("name", HEADS)
def test_the_first_lines_tell_a_journal(tmp_path: Path, name: str) -> None:
    data, is_journal = HEADS[name]
    path = tmp_path / "given"
    path.write_bytes(data)
    for checked in (True, False):
        file = JournalFile(str(path))
        try:
            if checked:
                file.check()
            lines = [line for batch in file.batches() for line in batch]
        except NoJournalError:
            assert not is_journal
        else:
            assert is_journal
            assert data.split() == b"\n".join(lines).split()
    file = JournalFile(str(path), force=True)
    file.check()
    assert data.split() == [
        word for batch in file.batches() for word in b"\n".join(batch).split()
    ]


def test_a_format_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "given"
    path.write_bytes(b"PK\x03\x04 and so on")
    for force in (True, False):
        file = JournalFile(str(path), force=force)
        with pytest.raises(InputError, match="zip"):
            file.check()

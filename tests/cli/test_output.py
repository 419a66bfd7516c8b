# SPDX-License-Identifier: LGPL-3.0
"""Text made harmless, and streams that fail: what the field tests do not see from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.output.shown import shown

ROOT = Path(__file__).resolve().parents[2]


@given(st.text())
def test_shown_text_is_one_line_and_can_be_read_back(text: str) -> None:
    found = shown(text)
    assert not set(map(chr, [*range(32), *range(127, 160), 0x2028, 0x202E])) & set(found)
    # It is what JSON calls the text, but for quotes and backslashes, which are left alone.
    plain = text.replace("\\", "").replace('"', "")
    assert plain == json.loads(f'"{shown(plain)}"')
    assert found == shown(found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain é漢😀", "plain é漢😀"),
        ("\0\x01\b\t\n\v\f\r\x1b\x1f", r"\u0000\u0001\b\t\n\u000b\f\r\u001b\u001f"),
        ("\x7f\x80\x9f\xa0", "\\u007f\\u0080\\u009f\xa0"),
        ("\u061c\u200d\u200e\u200f", "\\u061c\u200d\\u200e\\u200f"),
        ("\u2027\u2028\u2029\u202a\u202e\u202f", "\u2027\\u2028\\u2029\\u202a\\u202e\u202f"),
        ("\u2065\u2066\u2069", "\u2065\\u2066\\u2069"),
        ("\ud800\udfff", r"\ud800\udfff"),
        ("a\\nb", r"a\nb"),
    ],
)
def test_what_is_harmful_is_escaped(text: str, expected: str) -> None:
    assert expected == shown(text)


def run(code: str, **how: object) -> subprocess.CompletedProcess[str]:
    script = f"from cli.output.streams import *\nimport os, sys\nguard()\n{code}"
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False,
        **how,
    )  # fmt: skip


def test_lines_of_both_streams_keep_their_order(tmp_path: Path) -> None:
    path = tmp_path / "both"
    code = (
        f"fd = os.open({str(path)!r}, os.O_CREAT | os.O_WRONLY | os.O_APPEND)\n"
        "os.dup2(fd, 1); os.dup2(fd, 2)\n"
        "sys.stdout.write('one\\n'); say('two', err=True); say('three'); say('four', err=True)"
    )
    assert run(code).returncode == 0
    assert path.read_text() == "one\ntwo\nthree\nfour\n"


def test_only_standard_output_raises_and_no_os_error() -> None:
    code = (
        "full = os.open('/dev/full', os.O_WRONLY)\n"
        "os.dup2(full, 2); say('lost', err=True)\n"
        "os.dup2(full, 1)\n"
        "try:\n    say('x')\n"
        "except OutputFailed as error:\n"
        "    assert not isinstance(error, OSError) and not error.reader_is_gone, error\n"
        "    abandon_output(); os._exit(7)\n"
    )
    assert run(code).returncode == 7


def test_closed_streams_give_their_numbers_to_no_file() -> None:
    code = (
        "print(os.open('/dev/null', os.O_RDONLY) > 2); os._exit(int(sys.stdout.flush() or 0))"
    )
    done = run(code, preexec_fn=lambda: (os.close(0), os.close(2)))
    assert (done.returncode, done.stdout) == (0, "True\n")

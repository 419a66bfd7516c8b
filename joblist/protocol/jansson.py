# SPDX-License-Identifier: LGPL-3.0
"""JSON texts read as libjansson reads them, error texts included.

Flux parses request payloads with jansson, and what jansson says about a bad one is part of
the answer that the requester gets.  The rules are those of jansson 2.14 with the flag
`JSON_ALLOW_NUL` (src/load.c there): the first thing wrong in reading order is reported,
followed by the token that was being read, if that has no more than 20 bytes.

This is exact, not fast: `payload.py` uses it only for texts that msgspec refuses, or might
read differently.  Nothing here recurses, so the depth of a text costs no stack.
"""

import math
import re
from typing import Final, NoReturn, TypeAlias

from joblist.protocol.caution import MAX_DEPTH

_MAX_CONTEXT: Final = 20  # bytes of a token that an error text shows
_INT64: Final = range(-(2**63), 2**63)

# Kinds of tokens, besides "{", "}", "[", "]", ":" and ",", which are their own kinds.
_STRING: Final = "string"
_SCALAR: Final = "scalar"
_INVALID: Final = "invalid"
_END: Final = "end"

# A number goes as far as it could still become a valid one, so it may be cut short: "-", "1.",
# "2e+".  `other` is one character, however many bytes it has.
_TOKEN: Final = re.compile(
    rb"""
    [ \t\n\r]*
    (?: (?P<mark>   [{}\[\]:,] )
    |   (?P<string> " )
    |   (?P<number> -?(?:0|[1-9][0-9]*) (?:\.[0-9]*)? (?:(?<=[0-9])[eE][+-]?[0-9]*)? | - )
    |   (?P<word>   [A-Za-z]+ )
    |   (?P<end>    \Z )
    |   (?P<other>  [^\x80-\xbf][\x80-\xbf]* )
    )
    """,
    re.VERBOSE,
)
# Repetition is limited because the regular expression engine keeps a state for each round.
_STRING_PART: Final = re.compile(
    rb'(?:[^"\\\x00-\x1f]+|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})){1,200}'
)
_ESCAPE_BEGUN: Final = re.compile(rb"\\(?:u[0-9A-Fa-f]{0,3})?")
_ESCAPE: Final = re.compile(
    r"\\u[dD][89abAB][0-9A-Fa-f]{2}\\u[0-9A-Fa-f]{4}|\\u[0-9A-Fa-f]{4}|\\[^u]"
)
_CONTROLS: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_WORDS: Final[dict[bytes, bool | None]] = {b"true": True, b"false": False, b"null": None}

_Container: TypeAlias = dict[str, object] | list[object]


class PayloadError(ValueError):
    """A payload that Flux would refuse; `str()` of it is the text that Flux gives.

    The text may hold single bytes of a character in the form of `surrogateescape`.
    """


class _Lexer:
    """The tokens of a text, one at a time: what `scan` found last is the current one."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.fault: int | None = None  # the byte after `text`, if that is not UTF-8
        try:
            text.decode()
        except UnicodeDecodeError as error:
            self.text, self.fault = text[: error.start], text[error.start]
        self.begin = self.pos = 0
        self.kind = _END
        self.value: object = None

    def fail(self, reason: str) -> NoReturn:
        """Raise `PayloadError` for `reason`, with the current token as its context."""
        context = self.text[self.begin : self.pos]
        if len(context) > _MAX_CONTEXT:
            raise PayloadError(reason)
        if context:
            shown = context.decode(errors="surrogateescape")
            raise PayloadError(f"{reason} near '{shown}'")
        raise PayloadError(reason if self.fault is not None else f"{reason} near end of file")

    def scan(self) -> None:
        """Move to the next token."""
        match = _TOKEN.match(self.text, self.pos)
        assert match is not None
        group = match.lastgroup
        assert group is not None
        self.begin, self.pos = match.span(group)
        if group == "mark":
            self.kind = chr(self.text[self.begin])
        elif group == "string":
            self._scan_string()
        elif group == "other":
            self.kind = _INVALID
        else:
            self._check_fault()
            self._finish(group)

    def _finish(self, group: str) -> None:
        """Make a token of what only ends where something else begins."""
        if group == "number":
            self._finish_number()
        elif group == "word":
            word = self.text[self.begin : self.pos]
            self.kind = _SCALAR if word in _WORDS else _INVALID
            self.value = _WORDS.get(word)
        else:
            self.kind = _END

    def _check_fault(self) -> None:
        """Fail if the token would go on with a byte that is not UTF-8."""
        if self.fault is not None and self.pos == len(self.text):
            self.fail(f"unable to decode byte 0x{self.fault:x}")

    def _finish_number(self) -> None:
        number = self.text[self.begin : self.pos]
        # All that was cut short ends with a sign, point or "e"; digits that were left over
        # follow a leading zero.
        if not number[-1:].isdigit() or self.text[self.pos : self.pos + 1].isdigit():
            self.kind = _INVALID
            return
        self.kind = _SCALAR
        self.value = (
            self._integer(number) if number.lstrip(b"-").isdigit() else self._real(number)
        )

    def _integer(self, number: bytes) -> int:
        # 20 characters are enough for 64 bits; Python refuses to convert too many of them.
        if len(number) > 20 or int(number) not in _INT64:
            self.fail(f"too big {'negative ' if number.startswith(b'-') else ''}integer")
        return int(number)

    def _real(self, number: bytes) -> float:
        real = float(number)
        if math.isinf(real):
            self.fail("real number overflow")
        return real

    def _scan_string(self) -> None:
        while part := _STRING_PART.match(self.text, self.pos):
            self.pos = part.end()
        stop = self.text[self.pos : self.pos + 1]
        if stop != b'"':
            self._fail_in_string(stop)
        raw = self.text[self.begin + 1 : self.pos].decode()
        self.pos += 1
        self.kind = _STRING
        self.value = _ESCAPE.sub(self._unescape, raw) if "\\" in raw else raw

    def _fail_in_string(self, stop: bytes) -> NoReturn:
        """Fail because of the byte `stop` (none at the end) that cannot go on a string."""
        if stop == b"\\":
            begun = _ESCAPE_BEGUN.match(self.text, self.pos)
            assert begun is not None
            self.pos = begun.end()
            self._check_fault()
            # Of a character with several bytes, just the first one has been read.
            self.pos += 1
            self.fail("invalid escape")
        self._check_fault()
        if not stop:
            self.fail("premature end of input")
        if stop == b"\n":
            self.fail("unexpected newline")
        self.fail(f"control character 0x{ord(stop):x}")

    def _unescape(self, escape: re.Match[str]) -> str:
        letter = escape[0][1]
        if letter != "u":
            return _CONTROLS.get(letter, letter)
        units = [unit.upper() for unit in escape[0].split("\\u")[1:]]
        try:
            return bytes.fromhex("".join(units)).decode("utf-16-be")
        except UnicodeDecodeError:
            shown = "".join(f"\\u{unit}" for unit in units)
            self.fail(f"invalid Unicode '{shown}'")


def parse(text: bytes) -> object:
    """Return the object or array that `text` holds; of equal names the last one counts.

    Integers are of 64 bits, signed.  `text` must not have a NUL byte, which would end it.
    Raises `PayloadError`.
    """
    lexer = _Lexer(text)
    lexer.scan()
    if lexer.kind not in ("[", "{"):
        lexer.fail("'[' or '{' expected")
    root: list[object] = []
    unfinished: list[_Container] = [root]
    while True:
        value = _add_value(unfinished[-1], lexer, depth=len(unfinished))
        fresh = isinstance(value, (dict, list))
        if isinstance(value, (dict, list)):
            unfinished.append(value)
        while len(unfinished) > 1 and not _has_more(unfinished[-1], lexer, fresh=fresh):
            unfinished.pop()
            fresh = False
        if len(unfinished) == 1:
            break
    lexer.scan()
    if lexer.kind != _END:
        lexer.fail("end of file expected")
    return root[0]


def _add_value(container: _Container, lexer: _Lexer, depth: int) -> object:
    """Add what begins at the current token; an object or array is yet to be filled."""
    if isinstance(container, list):
        value = _begin_value(lexer, depth)
        container.append(value)
    else:
        name = _member_name(lexer)
        value = container[name] = _begin_value(lexer, depth)
    return value


def _begin_value(lexer: _Lexer, depth: int) -> object:
    if depth > MAX_DEPTH:
        lexer.fail("maximum parsing depth reached")
    if lexer.kind == "{":
        return {}
    if lexer.kind == "[":
        return []
    if lexer.kind not in (_SCALAR, _STRING):
        lexer.fail("invalid token" if lexer.kind == _INVALID else "unexpected token")
    return lexer.value


def _member_name(lexer: _Lexer) -> str:
    """Take the name at the current token and move to where its value begins."""
    name = lexer.value
    if lexer.kind != _STRING or not isinstance(name, str):
        lexer.fail("string or '}' expected")
    if "\0" in name:
        lexer.fail("NUL byte in object key not supported")
    lexer.scan()
    if lexer.kind != ":":
        lexer.fail("':' expected")
    lexer.scan()
    return name


def _has_more(container: _Container, lexer: _Lexer, *, fresh: bool) -> bool:
    """Move to the next element of `container`, or to its end.  `fresh`: it has none yet."""
    closer = "}" if isinstance(container, dict) else "]"
    lexer.scan()
    if lexer.kind == closer:
        return False
    if not fresh:
        if lexer.kind != ",":
            lexer.fail(f"'{closer}' expected")
        lexer.scan()
    if lexer.kind == _END and closer == "]":
        lexer.fail("']' expected")
    return True

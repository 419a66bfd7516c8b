# SPDX-License-Identifier: LGPL-3.0
"""The connection to a broker: no exception of a callback leaves it, whichever that is."""

from __future__ import annotations

import ast
import re
import signal
from collections.abc import Callable
from errno import EIO, ENODATA, ENOMEM, EPERM, EPROTO
from pathlib import Path
from typing import Any

import pytest

from eventstore.errors import StoreError
from joblist import callback_guard
from joblist.broker import connection, journal_stream
from joblist.broker.connection import Link
from joblist.live.routes import PURGES, ROUTES
from joblist.ports import Message
from joblist.protocol.errors import RpcError
from joblist.protocol.requests import ROLE_OWNER, ROLE_USER
from tests.support.flux.fake import FakeFlux, FakeFuture, FakeMessage

SOURCES = [Path(module.__file__) for module in (connection, journal_stream)]
REGISTERING = re.compile(r"callback|then|\w+_watcher_create|\w+_callback")
"""The calls of the bindings, and of cffi, that take a callback."""


def broken(*_: object) -> None:
    raise ZeroDivisionError("injected")


@pytest.fixture
def flux(monkeypatch: pytest.MonkeyPatch) -> FakeFlux:
    found = FakeFlux()
    found.install(monkeypatch)
    return found


def registered(flux: FakeFlux, callback: Callable[..., Any]) -> Link:
    """Return a connection with everything registered that can be, all with one callback."""
    link = connection.connect()
    link.listen(callback)
    link.purges(callback)
    link.timer(callback)
    link.readable(0, callback)
    link.on_signal(signal.SIGHUP, callback)
    link.job_exists(7, callback)
    link.journal(callback, callback)
    return link


JOURNAL = "responses 1"
REQUESTS = [f"message job-list.{method}" for method in ROUTES]
EXPECTED = {
    *REQUESTS, f"message {PURGES}", "timer", "descriptor", "signal 1", "KVS lookup",
    JOURNAL,
}  # fmt: skip


def arguments(flux: FakeFlux, name: str) -> tuple[Any, ...]:
    """What Flux calls a callback with."""
    if name.startswith("message"):
        return (flux.handle, None, FakeMessage(b"{}\0"), None)
    if name == JOURNAL:
        return (flux.handle, None, FakeMessage(b"{}"), None)
    return (FakeFuture(flux, name),)


def test_every_callback_is_known_to_these_tests(flux: FakeFlux) -> None:
    registered(flux, broken)
    assert EXPECTED == set(flux.callbacks)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_an_exception_in_a_callback_is_logged_and_goes_no_further(
    flux: FakeFlux, name: str
) -> None:
    registered(flux, broken)
    flux.callbacks[name](*arguments(flux, name))
    assert any("ZeroDivisionError: injected" in line for line in flux.logged)
    assert not flux.stopped
    assert (name in REQUESTS) == bool(flux.responses)
    for _, payload in flux.responses:
        assert (EIO, b"internal error: see the log") == payload


@pytest.mark.parametrize("name", ["timer", JOURNAL])
def test_a_journal_that_ends_is_guarded_and_so_is_a_log_that_fails(
    flux: FakeFlux, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    registered(flux, broken)
    flux.journal_error, flux.log_fails = EPERM, True
    flux.callbacks[name](*arguments(flux, name))
    assert "ZeroDivisionError: injected" in capsys.readouterr().err


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_is_meant_to_end_the_program_does(
    flux: FakeFlux, error: type[BaseException]
) -> None:
    def ending(*_: object) -> None:
        raise error

    registered(flux, ending)
    with pytest.raises(error):
        flux.callbacks["timer"](None)


@pytest.mark.parametrize(
    ("raised", "sent"),
    [
        (RpcError(EPERM, "no"), (EPERM, b"no")),
        (RpcError(EPERM), (EPERM, None)),
        (StoreError("full"), (EIO, b"full")),
    ],
)
def test_what_is_raised_for_a_request_is_its_answer(
    flux: FakeFlux, raised: Exception, sent: tuple[int, bytes | None]
) -> None:
    def refusing(_: Message) -> None:
        raise raised

    registered(flux, refusing)
    raw = FakeMessage(b"{}\0")
    flux.callbacks["message job-list.list"](None, None, raw, None)
    assert [(raw, sent)] == flux.responses
    assert [] == flux.logged


def test_requests_come_as_they_were_sent(flux: FakeFlux) -> None:
    came: list[Message] = []
    link = registered(flux, lambda *arguments: came.append(arguments[0]))
    raw = FakeMessage(b'{"a":1}\0', userid=42, rolemask=2, streaming=True)
    flux.callbacks["message job-list.list-id"](None, None, raw, None)
    (message,) = came
    assert ("job-list.list-id", b'{"a":1}', True) == (
        message.request.topic, message.request.text, message.request.streaming,
    )  # fmt: skip
    assert (42, 2) == (message.request.credential.userid, message.request.credential.rolemask)
    link.respond(message, b"{}")
    assert [(raw, b"{}")] == flux.responses


def test_a_payload_that_is_no_text_is_a_protocol_error(flux: FakeFlux) -> None:
    registered(flux, broken)
    flux.callbacks["message job-list.list"](None, None, FakeMessage(b"{}"), None)
    ((_, (errno, text)),) = flux.responses
    assert EPROTO == errno
    assert text.startswith(b"invalid payload: ")


def test_a_request_that_cannot_even_be_looked_at_gets_an_answer(
    flux: FakeFlux, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(*_: object) -> None:
        raise MemoryError

    registered(flux, broken)
    monkeypatch.setattr(connection, "Credential", no_memory)
    flux.callbacks["message job-list.list"](None, None, FakeMessage(b"{}\0"), None)
    expected = ENOMEM, b"out of memory; ask for less, or later"
    assert [expected] == [error for _, error in flux.responses]
    assert ["message job-list.list failed: out of memory"] == flux.logged


def test_the_broker_refuses_who_may_not_ask(flux: FakeFlux) -> None:
    registered(flux, broken)
    assert ROLE_OWNER == flux.rolemasks["job-list.config-reload"]
    assert ROLE_OWNER | ROLE_USER == flux.rolemasks["job-list.list"]


def test_responses_of_a_journal_come_until_it_is_stopped(flux: FakeFlux) -> None:
    came: list[bytes] = []
    ends: list[tuple[int, str]] = []
    journal = connection.connect().journal(came.append, lambda *end: ends.append(end))
    assert "FLUX_ROLE_ALL" == flux.rolemasks[JOURNAL]
    respond = flux.callbacks[JOURNAL]
    for text in (b'{"id":1}', b'{"id":2}'):
        respond(flux.handle, JOURNAL, FakeMessage(text), None)
    assert [b'{"id":1}', b'{"id":2}'] == came
    journal.stop()
    cancel = "job-manager.events-journal-cancel", {"matchtag": 1}, 0, "FLUX_RPC_NORESPONSE"
    assert cancel == flux.requests[-1]
    respond(flux.handle, JOURNAL, FakeMessage(b'{"id":3}'), None)
    assert JOURNAL in flux.callbacks  # until its last response
    flux.journal_error = ENODATA
    respond(flux.handle, JOURNAL, FakeMessage(None), None)
    assert 2 == len(came)
    assert [] == ends
    assert JOURNAL not in flux.callbacks


@pytest.mark.parametrize(("text", "reason"), [(b"no \xc3", "no \ufffd"), (None, "")])
def test_a_journal_says_how_it_ended(flux: FakeFlux, text: bytes | None, reason: str) -> None:
    ends: list[tuple[int, str]] = []
    connection.connect().journal(broken, lambda *end: ends.append(end))
    flux.journal_error, flux.journal_reason = EPERM, text
    flux.callbacks[JOURNAL](flux.handle, JOURNAL, FakeMessage(None), None)
    assert [(EPERM, reason)] == ends
    # The library takes back the request's matchtag then, and no response finds the handler.
    assert [EPERM] == flux.fulfilled
    assert JOURNAL not in flux.callbacks


def test_a_journal_that_cannot_be_listened_to_is_an_os_error(flux: FakeFlux) -> None:
    flux.handler_error = ENOMEM
    with pytest.raises(OSError, match="cannot be listened to") as raised:
        connection.connect().journal(broken, broken)
    assert ENOMEM == raised.value.errno


def test_no_callback_is_registered_unguarded() -> None:
    """In the source: whatever takes a callback of ours is given one that is guarded."""
    calls = [
        node
        for source in SOURCES
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and REGISTERING.fullmatch(node.func.attr)
    ]
    assert len(calls) >= 5
    for call in calls:
        last = [*call.args, *(keyword.value for keyword in call.keywords)][-1]
        assert isinstance(last, ast.Call), ast.unparse(call)
        assert ast.unparse(last.func) == callback_guard.guarded.__name__, ast.unparse(call)

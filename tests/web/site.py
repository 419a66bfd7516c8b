# SPDX-License-Identifier: LGPL-3.0
"""A site in this process, and what its pages show, as people would read it."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html.parser import HTMLParser
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

import pytest

from joblist.config import Config
from web import viewers
from web.server.app import application
from web.viewers import Access

HEADER = "X-Remote-User"


class Shown(HTMLParser):
    """A page: its tables by id as rows of texts, its attributes, and all of its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._rows: list[list[str]] | None = None
        self._is_figure = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append((tag, found))
        if tag == "table":
            self._rows = self.tables.setdefault(found.get("id") or f"#{len(self.tables)}", [])
        elif tag == "tr" and self._rows is not None:
            self._rows.append([])
        elif tag in {"td", "th"} and self._rows:
            self._rows[-1].append("")
        elif tag == "data":  # a figure as people read it, with the exact one
            self.handle_data(found["value"] or "")
            self._is_figure = True

    def handle_endtag(self, tag: str) -> None:
        if tag == "table":
            self._rows = None
        elif tag == "data":
            self._is_figure = False

    def handle_data(self, data: str) -> None:
        if self._is_figure:
            return
        self.text += data
        if self._rows and self._rows[-1]:
            self._rows[-1][-1] += data

    def column(self, table: str, heading: str) -> list[str]:
        """Return the texts of a column."""
        names, *rows = self.tables[table]
        place = [name.strip() for name in names].index(heading)
        return [row[place].strip() for row in rows if len(row) == len(names)]


class Answer(NamedTuple):
    """What came back."""

    status_code: int
    headers: dict[str, str]
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode()


def request(
    app: Any,
    address: str,
    headers: Mapping[str, str],
    method: str = "GET",
    *,
    decode: bool = True,
) -> Answer:
    """Send a request to an application, as a server does."""
    path, _, query = address.partition("?")
    given = {"host": "127.0.0.1:80", **headers}
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method,
        "scheme": "http", "path": unquote(path), "raw_path": path.encode(),
        "query_string": quote(query, safe="=&%+,").encode(), "root_path": "",
        "headers": [(k.lower().encode(), v.encode("latin-1")) for k, v in given.items()],
        "client": ("127.0.0.1", 5), "server": ("127.0.0.1", 80),
    }  # fmt: skip
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    found = {k.decode(): v.decode("latin-1") for k, v in sent[0]["headers"]}
    body = b"".join(message.get("body", b"") for message in sent[1:])
    if decode and found.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    return Answer(sent[0]["status"], found, body)


def raw_request(app: Any, address: str, headers: Mapping[str, str]) -> tuple[int, int]:
    """Send a GET; returns the status, and how many bytes were transferred."""
    answer = request(app, address, headers, decode=False)
    return answer.status_code, len(answer.content)


class Site:
    """Pages of a database, asked for as one user."""

    def __init__(self, app: Any, user: str) -> None:
        self.app, self.user = app, user

    def ask(self, address: str, method: str = "GET") -> Answer:
        return request(self.app, address, {HEADER: self.user}, method)

    def get(self, address: str, status: int = 200) -> Answer:
        answer = self.ask(address)
        assert status == answer.status_code, (address, answer.text[-600:])
        return answer

    def page(self, address: str) -> Shown:
        return Shown(self.get(address).text)

    def data(self, address: str) -> Any:
        return json.loads(self.get(address).text)

    def of(self, user: str) -> Site:
        return Site(self.app, user)


@contextmanager
def site(
    path: str | Mapping[str, str], *, private: bool = False, admins: tuple[str, ...] = ()
) -> Iterator[Site]:
    """Serve a database, or several, on a unix socket's terms.

    Users are numbers here, 0 sees all.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(viewers, "_userid", int)
        wanted = {"0", *admins}
        access = Access(Config(private=private), HEADER, None, lambda name, _: name in wanted)
        yield Site(application(path, access), "0")

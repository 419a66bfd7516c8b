# SPDX-License-Identifier: LGPL-3.0
"""The application: which address shows what, in which form, and what is said when it cannot.

Only GET and HEAD are answered; nothing is changed. Pages load nothing from elsewhere and run no
script but ours: the headers forbid it.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from errno import ENOENT
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import click
import jinja2
import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cli.output.csv_cells import harmless
from cli.output.shown import shown
from cli.reports import csv as report_csv
from eventstore.errors import JobdbError
from joblist.protocol.errors import RpcError
from joblist.visibility import Visibility
from projections.job.run_time import SECOND
from projections.notation.jobid import encode
from projections.notation.timespec import format_duration, format_moment
from web.asking import Asking, TooLong
from web.clusters import Clusters
from web.pages import about, job, jobs, metrics, nodes, now, reports
from web.viewers import COOKIE, Access, Refused, without_token

Page = Callable[[Asking, Mapping[str, str]], dict[str, Any]]
Joint = Callable[[Sequence[Asking], Mapping[str, str]], dict[str, Any]]
HERE = Path(__file__).parent.parent
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_STATIC = {
    path.relative_to(HERE / "static").as_posix(): path
    for path in (HERE / "static").rglob("*") if path.suffix in _KINDS
}  # fmt: skip


def application(databases: str | Mapping[str, str] | Clusters, access: Access) -> ASGIApp:
    """Return the application that shows a database, or several: paths by cluster."""
    paths = {"": databases} if isinstance(databases, str) else databases
    site = _Site(paths if isinstance(paths, Clusters) else Clusters(paths), access)
    pages: dict[str, tuple[str, Page]] = {
        "/": ("now.html", now.page),
        "/job/{jobid}": ("job.html", job.page),
        "/nodes": ("nodes.html", nodes.page),
        "/node/{host:path}": ("node.html", nodes.node),
        "/about": ("about.html", about.page),
    }
    data: dict[str, Page] = {
        "/data/nodemap": now.node_map,
        "/data/timeline": nodes.timeline,
    }
    routes = [Route(at, site.page(name, _of_one(make))) for at, (name, make) in pages.items()]
    routes += [Route(at, site.data(_of_one(make))) for at, make in data.items()]
    routes += [
        Route("/jobs", site.page("jobs.html", jobs.page, together=True)),
        Route("/reports", site.page("reports.html", reports.page, together=True)),
        Route("/data/report", site.data(reports.chart, together=True)),
        Route("/jobs.csv", site.text(_jobs_csv, "text/csv")),
        Route("/jobs.json", site.text(_jobs_json, "application/json")),
        Route("/report.csv", site.text(_report_csv, "text/csv")),
        Route("/metrics", site.metrics),
        Route("/static/{name:path}", _static),
    ]
    return Starlette(
        routes=routes,
        exception_handlers={404: site.nothing_there, 405: site.only_get},
        middleware=[
            Middleware(_Headers),
            Middleware(GZipMiddleware, minimum_size=1000, compresslevel=5),
        ],
    )


def _of_one(make: Page) -> Joint:
    """Return a page that is of one cluster."""
    return lambda askings, given: make(askings[0], given)


class _Headers:
    """Adds HEADERS to each response, and refuses methods that change something."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                extra = [(k.lower().encode(), v.encode()) for k, v in HEADERS.items()]
                message["headers"] = [*message.get("headers", ()), *extra]
            await send(message)

        await self._app(scope, receive, sending)


class _Site:
    """What routes share: the databases, the rules, the templates."""

    def __init__(self, clusters: Clusters, access: Access) -> None:
        self._clusters, self._access = clusters, access
        self._templates = jinja2.Environment(
            autoescape=True,
            loader=jinja2.FileSystemLoader(HERE / "templates"),
            finalize=lambda value: shown(value) if type(value) is str else value,
            trim_blocks=True, lstrip_blocks=True,
        )  # fmt: skip
        self._templates.filters |= {
            "moment": moment, "iso": _iso, "duration": _duration,
            "f58": encode, "user": jobs.user_name,
            "text": lambda data: (data or b"").decode("utf-8", "replace"),
            "json": lambda value: json.dumps(value, indent=1, ensure_ascii=False),
            "state": lambda job: jobs.cell(job, "state"),
            "result": lambda job: jobs.cell(job, "result"), "expected": now.expected,
        }  # fmt: skip

    def page(
        self, template: str, make: Joint, *, together: bool = False
    ) -> Callable[[Request], Response]:
        """Return a route that shows a page, of one cluster or of all ``together``."""

        def answer(
            askings: Sequence[Asking], given: Mapping[str, str], request: Request
        ) -> Response:
            context = make(askings, given)
            firsts, lasts = zip(*(asking.reach() for asking in askings), strict=True)
            context |= {"first": min(filter(None, firsts), default=0.0), "last": max(lasts)}
            context |= {"asking": askings[0], "together": together}
            return self._render(template, request, context)

        return self._guarded(answer, together=together)

    def data(self, make: Joint, *, together: bool = False) -> Callable[[Request], Response]:
        """Return a route that gives what a picture is drawn from."""
        return self.text(
            lambda askings, given: msgspec.json.encode(_drawn(make(askings, given))),
            "application/json", together=together,
        )  # fmt: skip

    def text(
        self,
        make: Callable[[Sequence[Asking], Mapping[str, str]], bytes],
        kind: str,
        *,
        together: bool = True,
    ) -> Callable[[Request], Response]:
        """Return a route that gives a text for machines."""

        def answer(askings: Sequence[Asking], given: Mapping[str, str], _: Request) -> Response:
            return Response(make(askings, given), media_type=kind, headers=_FRESH)

        return self._guarded(answer, together=together)

    def metrics(self, request: Request) -> Response:
        """Give the metrics: they count everybody's jobs, as job-stats does."""
        try:
            viewer = self._access.viewer(request)
            Visibility(self._access.config, viewer).check_all()
        except Refused as error:
            return self._say(request, 403, str(error))
        except RpcError:
            return self._say(request, 403, "the instance is private: ask as an administrator")
        users = request.query_params.get("users", "0")
        if not users.isascii() or not users.isdigit():
            return self._say(request, 400, f"users={users!a:.100}: give a number of users")
        found = metrics.text_of(self._clusters, int(users[:9]))
        return Response(found, media_type=metrics.KIND, headers=_FRESH)

    def nothing_there(self, request: Request, _: Exception) -> Response:
        """Answer what has no page."""
        return self._say(request, 404, "there is no such page")

    def only_get(self, request: Request, _: Exception) -> Response:
        """Answer a method that would change something."""
        return self._say(request, 405, "pages can be read, and nothing else")

    def _guarded(
        self,
        answer: Callable[[Sequence[Asking], Mapping[str, str], Request], Response],
        *,
        together: bool,
    ) -> Callable[[Request], Response]:
        """Return a route that answers who may ask, and says in a line what is wrong."""

        def route(request: Request) -> Response:
            try:
                viewer = self._access.viewer(request)
                if (address := without_token(request)) is not None:
                    return self._let_in(request, address)
                given = {**request.query_params, **request.path_params}
                config = self._access.config
                with self._clusters.asked(config, viewer, given, together=together) as found:
                    return answer(found, given, request)
            except EXPECTED as error:
                return self._say(request, *_said(error))

        return route

    def _let_in(self, request: Request, address: str) -> Response:
        response = RedirectResponse(address, 303)
        response.set_cookie(
            f"{COOKIE}-{request.url.port}", self._access.token or "", httponly=True,
            samesite="strict",
        )  # fmt: skip
        return response

    def _say(self, request: Request, status: int, why: str) -> Response:
        line = " ".join(why.split())[:500] or "this cannot be answered"
        if request.url.path.startswith("/data/"):
            body = msgspec.json.encode({"error": line})
            return Response(body, status, _FRESH, "application/json")
        context = {"why": line, "first": 0.0, "last": 0.0, "asking": None}
        return self._render("error.html", request, context, status)

    def _render(
        self, template: str, request: Request, context: dict[str, Any], status: int = 200
    ) -> Response:
        query = dict(request.query_params)

        def link(path: str, **changes: object) -> str:
            """Return an address at the same moment, of the same cluster.

            Changes of None leave a member out.
            """
            members = {"at": query.get("at"), "cluster": query.get("cluster"), **changes}
            kept = {k: str(v) for k, v in members.items() if v not in {None, ""}}
            return quote(path) + (f"?{urlencode(kept)}" if kept else "")

        def again(**changes: object) -> str:
            """Return this page's address with some members changed."""
            members = {k: v for k, v in query.items() if k != "token"}
            return link(request.url.path, **{**members, **changes})

        text = self._templates.get_template(template).render(
            link=link, again=again, query=query, path=request.url.path,
            clusters=self._clusters.names, **context,
        )  # fmt: skip
        return Response(text, status, _FRESH, "text/html")


def _drawn(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return what a picture is drawn from, with texts as they are shown in pages."""
    if isinstance(value, str):
        return shown(value)
    if isinstance(value, dict):
        return {name: _drawn(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [
            one if type(one) in _NUMBERS else shown(one) if type(one) is str else _drawn(one)
            for one in value
        ]
    return value


_NUMBERS = frozenset((int, float))  # of which a picture has thousands

EXPECTED = (
    Refused, LookupError, ValueError, OverflowError, RecursionError, TooLong, RpcError,
    click.ClickException, JobdbError,
)  # fmt: skip
"""What is said in a line; anything else is a fault of ours."""


def _said(error: Exception) -> tuple[int, str]:
    """Return the status and the words for an expected error."""
    if isinstance(error, RpcError):
        return (
            (404, "there is no such job") if error.errno == ENOENT else (400, str(error.text))
        )
    if isinstance(error, click.ClickException):
        return 400, error.message
    if isinstance(error, RecursionError):
        return 400, "this is nested too deeply"
    if isinstance(error, TooLong):
        return 503, "this takes too long: ask for less"
    kinds = ((Refused, 403), (JobdbError, 503), (LookupError, 404))
    return next((status for kind, status in kinds if isinstance(error, kind)), 400), str(error)


_FRESH = {"Cache-Control": "no-store"}


def moment(time: float | None) -> str:
    """Return a time in UTC, to the second, for people."""
    if not time:
        return "–"
    try:
        return datetime.fromtimestamp(time, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return repr(time)


def _iso(time: float) -> str:
    """Return a time in UTC as `--since` takes it, not before it: to the next microsecond."""
    found = format_moment(math.ceil(time * SECOND) / SECOND)
    return found.replace(".000000Z", "Z")


def _duration(seconds: float | None) -> str:
    return "–" if seconds is None or seconds < 0 else format_duration(seconds)


def _static(request: Request) -> Response:
    path = _STATIC.get(request.path_params["name"])
    if path is None:
        return Response("there is no such file", 404, media_type="text/plain")
    headers = {"Cache-Control": "public, max-age=3600"}
    return Response(path.read_bytes(), media_type=_KINDS[path.suffix], headers=headers)


def _jobs_csv(askings: Sequence[Asking], given: Mapping[str, str]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(jobs.columns(askings))
    for row in jobs.rows(askings, given):
        writer.writerow([harmless(value) for value in row.values()])
    return text.getvalue().encode("utf-8", "replace")


def _jobs_json(askings: Sequence[Asking], given: Mapping[str, str]) -> bytes:
    return msgspec.json.encode(jobs.rows(askings, given))


def _report_csv(askings: Sequence[Asking], given: Mapping[str, str]) -> bytes:
    found = reports.table(askings, given)
    return "".join(report_csv.lines(found)).encode("utf-8", "replace")

# SPDX-License-Identifier: LGPL-3.0
"""Pages of several clusters: lists and reports are the union, the rest is of a chosen one."""

from __future__ import annotations

import csv
import io
import re
import urllib.request
from collections.abc import Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from eventstore.ingest.writer import Writer
from eventstore.storage.connection import create_or_open
from projections.engine.views import Views
from tests.support.command import Command
from tests.support.recordings import recordings
from tests.web.mixed import JOBS, NODES, moments_of_jobs, store_mixed
from tests.web.site import Site, site

NAMES = ("tuolumne", "elcap")
UNTIL = repr(NODES.objects("checkpoints")[-1]["time"])
MOMENT = repr(moments_of_jobs()[1][0])


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Databases of two clusters; most job ids of the second one are those of the first."""
    folder = tmp_path_factory.mktemp("clusters")
    found = {name: str(folder / f"{name}.sqlite") for name in NAMES}
    store_mixed(found["tuolumne"])
    other = next(one for one in recordings() if one.name == "updates")
    with create_or_open(found["elcap"]) as store:
        lines = [line for _, some in other.feed(other.boots[0]) for line in some]
        Writer(store, "jobs", Views(store)).append(
            [*lines, *JOBS.journal(JOBS.boots[-1])[:4000]]
        )
    return found


@pytest.fixture(scope="module")
def both(paths: dict[str, str]) -> Iterator[Site]:
    with site(paths) as found:
        yield found


@pytest.fixture(scope="module")
def each(paths: dict[str, str]) -> Iterator[dict[str, Site]]:
    """A site of each database by itself."""
    with site(paths["tuolumne"]) as first, site(paths["elcap"]) as second:
        yield dict(zip(NAMES, (first, second), strict=True))


def walk(pages: Site, query: str) -> list[dict[str, Any]]:
    """Return the jobs of all pages that follow each other."""
    found: list[dict[str, Any]] = []
    address: str | None = f"/jobs?{query}"
    while address:
        some = pages.data(address.replace("/jobs?", "/jobs.json?"))
        shown = pages.page(address)
        assert [job["jobid"] for job in some] == shown.column("jobs", "Job")
        found += some
        next_ = [a["href"] for tag, a in shown.tags if tag == "a" and a.get("rel") == "next"]
        address = next_[0] if next_ else None
    return found


def test_forms_keep_the_cluster_and_the_moment(both: Site) -> None:
    for address in ("/jobs", "/nodes", "/reports"):
        page = both.page(f"{address}?cluster=elcap&at={MOMENT}")
        hidden = {a["name"]: a["value"] for tag, a in page.tags if a.get("type") == "hidden"}
        assert {"cluster": "elcap", "at": MOMENT}.items() <= hidden.items()
        for form in both.get(f"{address}?cluster=elcap&at={MOMENT}").text.split("<form")[1:]:
            assert 'value="elcap"' in form.split("</form>")[0]


@pytest.mark.parametrize(
    "query",
    ["states=failed", "user=1001", "queue=debug", "states=active", "include=node3",
     f"at={MOMENT}", f"at={MOMENT}&states=running", "states=completed&name=nothing",
     "q=failed queue:batch", "since=2026-11-22&until=2026-11-23", ""],
)  # fmt: skip
def test_jobs_are_the_union(both: Site, each: dict[str, Site], query: str) -> None:
    found = walk(both, query)
    for name in NAMES:
        own = [
            {k: v for k, v in job.items() if k != "cluster"}
            for job in found if job["cluster"] == name
        ]  # fmt: skip
        assert walk(each[name], query) == own
        assert walk(both, f"{query}&cluster={name}") == [{"cluster": name, **j} for j in own]
    assert {job["cluster"] for job in found} <= set(NAMES)
    ended = [job["t_inactive"] for job in found]
    assert ended == sorted(ended, key=lambda time: float("-inf") if time is None else -time)


def test_csv_and_page_name_the_cluster(both: Site) -> None:
    rows = list(csv.reader(io.StringIO(both.get("/jobs.csv?user=1001").text, newline="")))
    assert rows[0][:2] == ["cluster", "jobid"]
    shown = both.page("/jobs?user=1001")
    assert [row[0] for row in rows[1:]] == shown.column("jobs", "Cluster")
    assert set(NAMES) == {row[0] for row in rows[1:]}
    links = {a["href"] for tag, a in shown.tags if tag == "a" and a.get("class") == "id"}
    for cluster, jobid in (row[:2] for row in rows[1:4]):
        link = f"/job/{quote(jobid)}?cluster={cluster}"
        assert link in links
        assert jobid in both.get(link).text


@pytest.mark.parametrize(
    "query",
    ["kind=usage", "kind=usage&by=hour&group=user,queue", "kind=jobs&by=day",
     "kind=waits&group=queue", "kind=nodes&by=hour", "kind=jobs&group=name",
     "kind=jobs&by=hour&tz=Europe/Berlin"],
)  # fmt: skip
def test_reports_are_the_union(both: Site, each: dict[str, Site], query: str) -> None:
    def rows(pages: Site, extra: str = "") -> list[list[str]]:
        text = pages.get(f"/report.csv?{query}&until={UNTIL}{extra}").text
        return list(csv.reader(io.StringIO(text, newline="")))

    found = rows(both)
    apart = {name: rows(each[name]) for name in NAMES}
    assert found[0] == ["cluster", *apart["elcap"][0]]
    assert found[1:] == [[name, *row] for name in NAMES for row in apart[name][1:]]
    for name in NAMES:
        assert rows(both, f"&cluster={name}")[1:] == [[name, *row] for row in apart[name][1:]]
    table = both.page(f"/reports?{query}&until={UNTIL}").tables["report"]
    assert [row[0] for row in table[1:]] == [row[0] for row in found[1:]]
    picture = both.data(f"/data/report?{query}&until={UNTIL}")
    pictures = [each[name].data(f"/data/report?{query}&until={UNTIL}") for name in NAMES]
    if "by=" in query:
        assert picture["x"] == sorted({x for one in pictures for x in one["x"]})
    else:
        assert all(any(name in x for name in NAMES) for x in picture["x"])
    assert figures(picture) == pytest.approx(sum(map(figures, pictures)))


def figures(picture: dict[str, Any]) -> float:
    return sum(value or 0.0 for one in picture["series"] for value in one["values"])


def test_other_pages_are_of_the_chosen_cluster_and_switch(
    both: Site, each: dict[str, Site]
) -> None:
    for address in ("/", "/nodes", "/about"):
        for name, query in (("tuolumne", ""), *((name, f"?cluster={name}") for name in NAMES)):
            shown, alone = both.page(address + query), each[name].page(address)
            for table, rows in alone.tables.items():
                assert rows == shown.tables[table]
            current = [a["href"] for tag, a in shown.tags
                       if tag == "a" and a.get("aria-current") == "true"]  # fmt: skip
            assert [f"{address}?cluster={name}"] == current
    assert both.data("/data/nodemap?cluster=elcap") == each["elcap"].data("/data/nodemap")
    shown = both.page("/reports?cluster=elcap&kind=jobs")
    assert {"/reports?kind=jobs", "/jobs?cluster=elcap"} <= {
        a.get("href") for _, a in shown.tags
    }
    assert "no such cluster" in both.get("/jobs?cluster=other", 404).text
    assert 'id="clusters"' not in each["elcap"].get("/jobs").text
    assert "other clusters" in both.get("/jobs?after=1.0,5", 400).text


def test_a_guest_sees_its_own_of_each(paths: dict[str, str]) -> None:
    with site(paths, private=True) as pages:
        jobs = walk(pages.of("1001"), "")
        mine = walk(pages, "user=1001")
        assert jobs == mine
        assert set(NAMES) == {job["cluster"] for job in jobs}
        text = pages.of("1001").get("/report.csv?kind=jobs&group=user").text
        assert {"1001"} == {row.split(",")[3] for row in text.splitlines()[1:]}


def test_metrics_have_the_cluster_as_a_label(both: Site, each: dict[str, Site]) -> None:
    def samples(text: str) -> set[str]:
        lines = (line for line in text.splitlines() if not line.startswith("#"))
        return {line for line in lines if "lag_seconds" not in line}

    found = both.get("/metrics").text
    expected = set()
    for name in NAMES:
        for line in samples(each[name].get("/metrics").text):
            series, value = line.rsplit(" ", 1)
            inside = series.partition("{")[2].rstrip("}")
            labels = f'cluster="{name}"' + (f",{inside}" if inside else "")
            expected.add(f"{series.partition('{')[0]}{{{labels}}} {value}")
    assert expected == samples(found)
    types = [line for line in found.splitlines() if line.startswith("# TYPE")]
    assert len(types) == len(set(types))


def test_the_name_of_a_cluster_is_harmless(paths: dict[str, str]) -> None:
    hostile = '"><script>alert(1)</script>\x1b&cluster=x'
    with site({hostile: paths["elcap"], "b": paths["tuolumne"]}) as pages:
        for address in ("/", "/jobs", "/reports", "/about"):
            text = pages.get(address).text
            assert "<script>alert" not in text
            assert "\x1b" not in text


def test_the_command_serves_several(tmp_path: Path) -> None:
    both = []
    for name in NAMES:
        jobdb = Command(tmp_path, f"{name}.sqlite")
        jobdb("ingest", "--cluster", name, "-", stdin=b"\n".join(JOBS.journal(1)[:50]))
        both.append(jobdb)
    process = both[0].start(f"--db={both[1].db}", "web", "--db", str(both[0].db))
    try:
        assert process.stdout is not None
        address = process.stdout.readline().decode().strip()
        assert re.match(r"http://127.0.0.1:\d+/\?token=", address)
        cookies = urllib.request.HTTPCookieProcessor(CookieJar())
        opener = urllib.request.build_opener(cookies)
        with opener.open(address) as answer:
            assert b"cluster=elcap" in answer.read()
    finally:
        process.terminate()
        process.communicate()

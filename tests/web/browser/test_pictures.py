# SPDX-License-Identifier: LGPL-3.0
"""What pictures show, and their tooltips: the figures of the tables, and texts as texts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import field_jobs
from tests.support.command import Command
from tests.web.browser.browsing import Browser, browsing
from tests.web.mixed import NODES
from tests.web.test_access import HOSTILE

_RANGE = "since={!r}&until={!r}".format(
    *(NODES.objects("checkpoints")[place]["time"] for place in (0, -1))
)
_TEXTS = """
// All texts that a picture shows now, tooltips too.
const chart = echarts.getInstanceByDom(document.querySelector(arguments[0]));
return chart.getZr().storage.getDisplayList(true).filter((one) => !one.invisible && !one.ignore)
    .map((one) => one.style.text).filter((text) => text !== undefined).join("\\n");
"""
_SHOW = """
const chart = echarts.getInstanceByDom(document.querySelector(arguments[0]));
chart.dispatchAction({ type: "showTip", seriesIndex: 0, dataIndex: arguments[1] });
"""


def tip(browser: Browser, place: str, number: int) -> str:
    """Return the texts of a picture while it shows the tooltip of one of its parts."""
    browser.run(_SHOW, place, number)
    browser.run("return new Promise((done) => setTimeout(done, 150))")
    found: str = browser.run(_TEXTS, place)
    return found


def test_the_map_says_what_is_under_the_pointer(browser: Browser, mixed: Command) -> None:
    moment = NODES.objects("checkpoints")[4]["time"]
    browser.open(f"/?at={moment!r}")
    hosts = [node["host"] for node in mixed("nodes", "--json", "--as-of", repr(moment)).objects]
    box = browser.value("document.querySelector('.nodemap canvas').getBoundingClientRect()")
    for number in (0, len(hosts) - 1):
        browser.point_at(box["x"] + 27 * number + 12, box["y"] + 12)
        browser.wait("!document.querySelector('.tip').hidden")
        host, state = browser.value("document.querySelector('.tip').innerText").split(": ")
        assert hosts[number] == host
        table = browser.run(
            "return [...document.querySelectorAll('#hosts tbody tr')]"
            ".map((row) => [...row.cells].map((cell) => cell.textContent.trim()))"
        )
        assert state in [name for name, _ in table]


@pytest.mark.parametrize("kind", ["nodes", "jobs", "usage", "waits"])
def test_a_report_draws_the_figures_of_its_table(browser: Browser, kind: str) -> None:
    browser.open(f"/reports?kind={kind}&by=hour&{_RANGE}")
    drawn = browser.run(
        "const chart = echarts.getInstanceByDom(document.querySelector('.chart'));"
        "return chart.getOption().series.map((one) => [one.name, one.data])"
    )
    assert drawn
    for name, values in drawn:
        shown = browser.column("report", name.replace("_", "-"))
        assert [float(text) for text in shown] == pytest.approx(values)


def test_a_bar_tells_of_its_job(browser: Browser, mixed: Command) -> None:
    browser.open(f"/nodes?{_RANGE}")
    bars = browser.run(
        "return echarts.getInstanceByDom(document.querySelector('.timeline'))"
        ".getOption().series[0].data"
    )
    number, bar = next((n, bar) for n, bar in enumerate(bars) if bar[3] == "job")
    shown = tip(browser, ".timeline", number)
    assert bar[5] in shown
    (job,) = mixed("list", "-A", "--json", bar[5]).objects
    assert job["name"] in shown


@pytest.fixture(scope="module")
def hostile(
    driver: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Browser, Command]]:
    """A history whose users and administrators write what a page might run."""
    folder: Path = tmp_path_factory.mktemp("hostile")
    jobdb = Command(folder)
    lines = [line for number, text in enumerate(HOSTILE, 1)
             for line in field_jobs.job(number, name=text)]  # fmt: skip
    resource = field_jobs.event(field_jobs.EPOCH - 9, "restart",
                                {"ranks": "0", "online": "0", "nodelist": "node1"})  # fmt: skip
    drains = [field_jobs.event(field_jobs.EPOCH + number, "drain", {
        "idset": "0", "nodelist": "node1", "reason": text, "overwrite": 1,
    }) for number, text in enumerate(HOSTILE) if "\x00" not in text]  # fmt: skip
    lines += [json.dumps({"events": [one]}).encode() for one in (resource, *drains)]
    jobdb.ingest(lines)
    with browsing(driver, jobdb) as found:
        yield found, jobdb


ADDRESSES = ["/", "/jobs", "/jobs?name=<script>alert(1)</script>", "/nodes", "/node/node1",
             "/node/<img src=x onerror=alert(1)>", "/reports?kind=usage&by=day&group=name",
             f"/job/{1 << 24}", f"/job/{2 << 24}", "/about?at='\"><script>"]  # fmt: skip


@pytest.mark.parametrize("address", ADDRESSES)
def test_nothing_that_users_wrote_is_run(
    hostile: tuple[Browser, Command], address: str
) -> None:
    browser, _ = hostile
    browser.look()
    browser.driver.get(browser.site + address)
    browser.wait("document.readyState === 'complete'")
    ours = browser.value("[...document.querySelectorAll('#main script, #main img')].length")
    assert 0 == ours
    assert not [one for one in browser.complaints() if "Bad Request" not in one]


def test_tooltips_show_texts_as_texts(hostile: tuple[Browser, Command]) -> None:
    browser, _ = hostile
    browser.open(f"/nodes?since={field_jobs.EPOCH - 20}&until={field_jobs.EPOCH + 60}")
    bars = browser.run(
        "return echarts.getInstanceByDom(document.querySelector('.timeline'))"
        ".getOption().series[0].data"
    )
    texts = [tip(browser, ".timeline", number) for number in range(len(bars))]
    check_texts(texts)
    browser.open("/reports?kind=usage&group=name")
    names = len(browser.column("report", "name"))
    check_texts([tip(browser, ".chart", number) for number in range(names)])
    assert [] == browser.complaints()


def check_texts(texts: list[str]) -> None:
    """Markup is there as it was written; nothing turns a line round or moves a cursor."""
    every = "\n".join(texts)
    for text in ("<script>alert(1)</script>", "'; DROP TABLE jobs; --", "=1+1"):
        assert text in every
    assert not set(every) & set("\x00\x1b\u202e\u2028")

# SPDX-License-Identifier: LGPL-3.0
"""Each page in light, in dark and on a phone: nothing complains, and nothing is cut off.

Pictures of all of them are written to build/screens/, for people.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.command import ROOT, Command
from tests.web.browser.browsing import PHONE, WIDE, Browser
from tests.web.mixed import NODES

MOMENT = NODES.objects("checkpoints")[4]["time"]
_FIRST = NODES.objects("checkpoints")[0]["time"]
_LAST = NODES.objects("checkpoints")[-1]["time"]
_RANGE = f"since={_FIRST!r}&until={_LAST!r}"
PAGES = {
    "now": "/",
    "now-at-a-moment": f"/?at={MOMENT!r}",
    "jobs": "/jobs",
    "jobs-failed": "/jobs?states=failed,timeout,canceled",
    "job": "/job/{job}",
    "job-failed": "/job/{failed}",
    "nodes": f"/nodes?{_RANGE}",
    "node": f"/node/node3?at={_LAST!r}",
    "report-nodes": f"/reports?kind=nodes&by=hour&{_RANGE}",
    "report-waits": "/reports?kind=waits&by=hour&group=queue",
    "report-usage": "/reports?kind=usage&group=user",
    "report-jobs": "/reports?kind=jobs&by=hour",
    "about": "/about",
    "wrong": "/jobs?since=whenever",
}
LOOKS = {"light": (WIDE, False), "dark": (WIDE, True), "phone": (PHONE, False)}


def address(page: str, mixed: Command) -> str:
    """Return the address of a page; jobs are those of the history."""
    chosen = {}
    for name, words in (("job", ("-f", "completed")), ("failed", ("-f", "failed"))):
        chosen[name] = mixed("list", "-A", "-n", "-c1", "-o", "{id.f58plain}", *words).lines[0]
    return PAGES[page].format(**chosen)


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_whole(browser: Browser, mixed: Command, page: str, look: str) -> None:
    size, dark = LOOKS[look]
    browser.look(size=size, dark=dark)
    browser.open(address(page, mixed))
    expected = ["400 (Bad Request)"] if page == "wrong" else []
    complaints = [c for c in browser.complaints() if not any(e in c for e in expected)]
    assert [] == complaints
    asked = browser.asked()
    assert asked
    hosts = {urlsplit(one).netloc for one in asked if not one.startswith("data:")}
    assert {urlsplit(browser.site).netloc} == hosts
    assert browser.value("document.documentElement.scrollWidth") <= size[0]
    assert [] == browser.run(_FAINT)
    browser.picture(ROOT / "build" / "screens" / f"{page}-{look}.png")


@pytest.mark.parametrize("page", PAGES)
def test_a_picture_has_words_and_a_table(browser: Browser, mixed: Command, page: str) -> None:
    browser.open(address(page, mixed))
    for picture in browser.value("[...document.querySelectorAll('[role=img]')]"):
        assert picture.get_attribute("aria-label")
        assert browser.run("return document.querySelectorAll('#main table').length")
    assert [] == browser.run(_NAMELESS)
    assert browser.value("document.title").endswith("flux-jobdb")


_FAINT = (Path(__file__).parent / "contrast.js").read_text("utf-8")

_NAMELESS = """
// What can be used, and has no name for those who do not see it.
return [...document.querySelectorAll("a, button, input:not([type=hidden]), select")]
  .filter((one) => !one.textContent.trim() && !one.ariaLabel && !one.labels?.length)
  .map((one) => one.outerHTML.slice(0, 120));
"""


def test_the_keyboard_reaches_the_content_first(browser: Browser) -> None:
    browser.open("/jobs")
    browser.press("\ue004")  # Tab
    assert "Skip to the content" == browser.value("document.activeElement.innerText")
    browser.press("\ue007")  # Enter
    browser.press("\ue004")
    assert browser.value("!!document.activeElement.closest('#main')")

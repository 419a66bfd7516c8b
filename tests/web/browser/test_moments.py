# SPDX-License-Identifier: LGPL-3.0
"""The slider and the arrow keys go through time, and what is shown is what was recorded."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from projections.job.state import STATES
from projections.notation.jobid import encode
from projections.notation.timespec import parse_time
from tests.support.command import Command
from tests.web.browser.browsing import Browser
from tests.web.mixed import NODES, moments_of_jobs

LEFT, RIGHT = "\ue012", "\ue014"
_PENDING = {one.mask for one in STATES if one.name in {"DEPEND", "PRIORITY", "SCHED"}}
_OF_JOBS = moments_of_jobs()


def moment_of(browser: Browser) -> float:
    """Return the moment that the address names."""
    (at,) = parse_qs(urlsplit(browser.value("location.href")).query)["at"]
    return parse_time(at, now=0.0)


def slide(browser: Browser, place: int) -> None:
    """Move the slider to one of its thousand places, and wait for the page."""
    browser.run(
        "document.getElementById('main').dataset.seen = 1;"
        "const slider = document.querySelector('.moment input[type=range]');"
        "slider.value = arguments[0]; slider.dispatchEvent(new Event('input'))",
        place,
    )
    browser.wait("!document.getElementById('main').dataset.seen")
    browser.wait("new URL(location.href).searchParams.has('at')")


def as_of(mixed: Command, state: str, moment: float) -> list[str]:
    words = ("list", "-A", "-n", "-c200", "-f", state, "-o", "{id.f58}", "--as-of")
    return mixed(*words, repr(moment)).lines


@pytest.mark.parametrize("place", [0, 1, 10, 990, 999])
def test_the_slider_shows_the_moment_that_it_says(
    browser: Browser, mixed: Command, place: int
) -> None:
    browser.open("/")
    slide(browser, place)
    moment = moment_of(browser)
    assert as_of(mixed, "pending", moment) == browser.column("queue", "Job")
    assert as_of(mixed, "running", moment) == browser.column("running", "Job")
    assert browser.value("document.querySelector('.when').innerText").startswith("As of ")
    assert [] == browser.complaints()


@pytest.mark.parametrize(
    ("moment", "checkpoint"), _OF_JOBS, ids=[one["label"] for _, one in _OF_JOBS]
)
def test_a_moment_of_jobs_is_as_flux_said(
    browser: Browser, moment: float, checkpoint: dict[str, str]
) -> None:
    browser.open(f"/?at={moment!r}")
    listed = json.loads(checkpoint["list"])["jobs"]
    waiting = [encode(job["id"]) for job in listed if job["state"] in _PENDING]
    assert waiting[:200] == browser.column("queue", "Job")


@pytest.mark.parametrize("checkpoint", NODES.objects("checkpoints")[::6],
                         ids=lambda one: one["label"])  # fmt: skip
def test_a_moment_of_nodes_is_as_flux_said(
    browser: Browser, mixed: Command, checkpoint: dict[str, float]
) -> None:
    browser.open(f"/nodes?at={checkpoint['time']!r}")
    said = mixed("nodes", "--json", "--as-of", repr(checkpoint["time"])).objects
    assert [node["host"] for node in said] == browser.column("nodes", "Host")
    words = [set(text.split()) for text in browser.column("nodes", "State")]
    assert [node["drained"] is not None for node in said] == ["drained" in w for w in words]
    assert [node["up"] for node in said] == ["up" in w for w in words]


def test_arrow_keys_go_back_and_forth(browser: Browser) -> None:
    browser.open("/")
    slide(browser, 500)
    middle = moment_of(browser)
    for key, is_earlier in ((LEFT, True), (RIGHT, False)):
        before = moment_of(browser)
        address = browser.value("location.href")
        browser.press(key)
        browser.wait(f"location.href !== {address!r}")
        assert is_earlier == (moment_of(browser) < before)
    assert middle == pytest.approx(moment_of(browser), abs=0.01)


def test_the_slider_begins_where_the_address_says(browser: Browser) -> None:
    browser.open("/")
    slide(browser, 250)
    browser.open(f"/jobs?at={moment_of(browser)}")
    assert "250" == browser.value("document.querySelector('.moment input').value")

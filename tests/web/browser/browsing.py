# SPDX-License-Identifier: LGPL-3.0
"""A browser without a window: Chromium, driven by Selenium.

It keeps what each page asked for and complained about.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import Command, running

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
DRIVER = "chromedriver"
WIDE, PHONE = (1360, 900), (390, 844)
"""Sizes of windows in CSS pixels."""
PATIENCE = 15.0


class Browser:
    """The browser at one site."""

    def __init__(self, driver: Any, site: str) -> None:
        self.driver, self.site = driver, site
        self._size = WIDE

    def look(self, *, size: tuple[int, int] = WIDE, dark: bool = False) -> None:
        """Have the window be so large, and the user want dark or light."""
        self._size = size
        self._command("Emulation.setDeviceMetricsOverride", width=size[0], height=size[1],
                      deviceScaleFactor=1, mobile=size == PHONE)  # fmt: skip
        wanted = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._command("Emulation.setEmulatedMedia", features=[wanted])

    def open(self, address: str) -> None:
        """Open an address of the site, and wait for its pictures."""
        self.driver.get(self.site + address)
        self.wait("document.readyState === 'complete'")
        self.wait(_DRAWN)

    def run(self, script: str, *given: object) -> Any:
        """Run statements in the page; returns what they return."""
        return self.driver.execute_script(script, *given)

    def value(self, expression: str) -> Any:
        """Return the value of an expression in the page."""
        return self.run(f"return {expression}")

    def wait(self, expression: str) -> None:
        """Wait until an expression is true."""
        from selenium.webdriver.support.ui import WebDriverWait  # noqa: PLC0415

        WebDriverWait(self.driver, PATIENCE, 0.05).until(
            lambda _: self.value(expression), f"{expression} at {self.driver.current_url}"
        )

    def column(self, table: str, heading: str) -> list[str]:
        """Return the texts of a table's column, as they are shown."""
        found: list[str] = self.run(_COLUMN, table, heading)
        return found

    def press(self, *keys: str) -> None:
        """Press keys, wherever the focus is."""
        from selenium.webdriver.common.action_chains import ActionChains  # noqa: PLC0415

        ActionChains(self.driver).send_keys(*keys).perform()

    def point_at(self, x: float, y: float) -> None:
        """Move the mouse to a place in the window."""
        for place in (x - 3, x):
            self._command("Input.dispatchMouseEvent", type="mouseMoved", x=place, y=y)

    def picture(self, path: Path) -> None:
        """Write a picture of the whole page, as PNG."""
        height = min(int(self.value("document.documentElement.scrollHeight")), 4000)
        self._command("Emulation.setDeviceMetricsOverride", width=self._size[0],
                      height=max(height, self._size[1]), deviceScaleFactor=1,
                      mobile=self._size == PHONE)  # fmt: skip
        self.wait(_DRAWN)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.driver.get_screenshot_as_file(str(path))

    def asked(self) -> list[str]:
        """Return the addresses that were asked for since the last call."""
        messages = (json.loads(entry["message"])["message"]
                    for entry in self.driver.get_log("performance"))  # fmt: skip
        return [message["params"]["request"]["url"] for message in messages
                if message["method"] == "Network.requestWillBeSent"]  # fmt: skip

    def complaints(self) -> list[str]:
        """Return what the console said since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def _command(self, name: str, **members: object) -> None:
        self.driver.execute_cdp_cmd(name, members)


_DRAWN = """[...document.querySelectorAll('[data-chart], [data-timeline], [data-nodemap]')]
    .every((place) => place.dataset.drawn)"""
_COLUMN = """
const table = document.getElementById(arguments[0]);
const names = [...table.tHead.rows[0].cells].map((cell) => cell.innerText.trim());
const place = names.indexOf(arguments[1]);
return [...table.tBodies[0].rows].filter((row) => row.cells.length === names.length)
    .map((row) => row.cells[place])
    .map((cell) => cell.querySelector('data')?.value ?? cell.innerText.trim());
"""


def driver() -> Any:
    """Start a browser; skips with a reason where there is none."""
    selenium = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    service = shutil.which(DRIVER)
    if program is None or service is None:
        pytest.skip(f"no {BROWSERS[0]} and {DRIVER} on the PATH")
    options = selenium.ChromeOptions()
    options.binary_location = program
    for word in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage",
                 "force-color-profile=srgb", "hide-scrollbars"):  # fmt: skip
        options.add_argument(f"--{word}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return selenium.Chrome(options, selenium.ChromeService(service))


@contextmanager
def served(jobdb: Command, *words: str) -> Iterator[str]:
    """Run `web` on a port; yields the address that it prints."""
    process = jobdb.start("web", "--port", "0", *words)
    with running(process):
        assert process.stdout is not None
        yield process.stdout.readline().decode().split()[-1]


@contextmanager
def browsing(driver: Any, jobdb: Command) -> Iterator[Browser]:
    """Let a browser into the pages of a database."""
    with served(jobdb) as address:
        browser = Browser(driver, address.split("/?")[0])
        browser.look()
        driver.get(address)
        browser.asked()
        browser.complaints()
        yield browser

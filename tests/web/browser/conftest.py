# SPDX-License-Identifier: LGPL-3.0
"""One browser for all tests of a process, and the pages of one database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.command import Command
from tests.web.browser import browsing
from tests.web.browser.browsing import Browser
from tests.web.mixed import store_mixed


@pytest.fixture(scope="session")
def driver() -> Iterator[Any]:
    """A browser; skips with a reason where there is none."""
    found = browsing.driver()
    yield found
    found.quit()


@pytest.fixture(scope="session")
def mixed(driver: Any, tmp_path_factory: pytest.TempPathFactory) -> Command:
    """The command line on a history that has all kinds of jobs and nodes."""
    del driver  # nothing is stored where there is no browser
    found = Command(tmp_path_factory.mktemp("browser"))
    store_mixed(str(found.db))
    return found


@pytest.fixture(scope="session")
def site(driver: Any, mixed: Command) -> Iterator[Browser]:
    """The browser in the pages of that history."""
    with browsing.browsing(driver, mixed) as found:
        yield found


@pytest.fixture
def browser(site: Browser) -> Browser:
    """The same, as it is at first."""
    site.look()
    site.asked()
    site.complaints()
    return site

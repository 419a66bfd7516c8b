# SPDX-License-Identifier: LGPL-3.0
"""Profiles of hypothesis: few examples by default, more with HYPOTHESIS_PROFILE=nightly."""

from __future__ import annotations

import locale
import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

from eventstore import deep_json
from tests.support.fake_bus import Module, started
from tests.support.flux.instance import Instances, program
from tests.support.needs import counted

# Texts of job ids depend on it. Processes get it from tests/support/command.py.
locale.setlocale(locale.LC_CTYPE, "C.UTF-8")

_NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)
_slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
settings.register_profile("ci", max_examples=40, deadline=None, suppress_health_check=_slow)
settings.register_profile(
    "nightly", max_examples=2000, deadline=None, suppress_health_check=_slow
)
settings.register_profile(  # no time to look for the smallest example
    "quick", max_examples=60, deadline=None, suppress_health_check=_slow, phases=_NO_SHRINKING
)
settings.register_profile(  # `make mutants`: the same examples each time, for thousands of runs
    "mutants", max_examples=25, deadline=None, suppress_health_check=_slow,
    phases=(Phase.explicit, Phase.generate), derandomize=True, database=None,
)  # fmt: skip
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


# As whoever opens a store does: not in the middle of a property, which hypothesis warns of.
deep_json.allow()

# Processes that tests start keep what they compile, for the ones after them.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Some tests interrupt programs. Whoever starts the tests in the background has them, and all
# that they start, ignore that signal.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that start Flux, a browser or Spark, by their fixtures and theirs."""
    for item in items:
        for fixture, mark in (
            ("flux_program", "flux"),
            ("driver", "browser"),
            ("spark", "spark"),
        ):
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(mark)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Count the tests that need what is not everywhere."""
    for line in counted(terminalreporter.stats):
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def flux_program() -> str:
    """Path of the program ``flux``; skips where there is none that can be used."""
    return program()


@pytest.fixture
def run(flux_program: str, tmp_path: Path) -> Instances:
    """What runs scripts in instances of Flux."""
    return Instances(flux_program, tmp_path)


@pytest.fixture
def module() -> Module:
    """A module whose backlog is in: it was empty."""
    return started()

# SPDX-License-Identifier: LGPL-3.0
"""Instances that attacks share, as long as they outlive them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.flux.attacks import history
from tests.flux.attacks.instance import Attacked
from tests.flux.attacks.not_yet import NOT_YET
from tests.flux.attacks.siege import Figures
from tests.support.flux.instance import Instances


class Target:
    """An instance with a database; where an attack has ended or marked it, a new one."""

    def __init__(self, program: str, folder: Path, database: Callable[[Path], Path]) -> None:
        self._run = Instances(program, folder)
        self.database = database(folder)
        self._flux: Attacked | None = None

    def flux(self, *options: str) -> Attacked:
        """Return the instance, which is as if it had been started a moment ago."""
        if self._flux is None or not self._flux.alive:
            self.stop()
            self._flux = Attacked(self._run, f"dbpath={self.database}", *options)
        return self._flux

    def held(self, found: Figures) -> None:
        """Fail the test where something does not hold, and leave nothing of it to others."""
        faults = found.faults()
        if faults:
            self.stop()
        assert [] == faults, f"{found}"

    def stop(self) -> None:
        flux, self._flux = self._flux, None
        if flux is not None:
            flux.stop()


@pytest.fixture(scope="session")
def long_history(
    flux_program: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    """What gives an instance whose database has many jobs."""
    found = Target(flux_program, tmp_path_factory.mktemp("long"), history.long_history)
    yield found
    found.stop()


@pytest.fixture(scope="session")
def large_names(
    flux_program: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    """What gives an instance whose database has jobs with names of a megabyte."""
    found = Target(flux_program, tmp_path_factory.mktemp("large"), history.large_names)
    yield found
    found.stop()


@pytest.fixture
def attacked(run: Instances) -> Iterator[Callable[..., Attacked]]:
    """What starts an instance of this test's own; it is stopped in the end."""
    started: list[Attacked] = []

    def start(arguments: str = "", *options: str) -> Attacked:
        started.append(Attacked(run, arguments, *options))
        return started[-1]

    yield start
    for instance in started:
        instance.stop()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Expect what is known not to hold yet to fail."""
    for item in items:
        reason = NOT_YET.get(item.name)
        if reason is not None and Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xfail(reason=reason, strict=False))

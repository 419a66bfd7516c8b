# SPDX-License-Identifier: LGPL-3.0
"""A broker module sends something now and then, so that flux-core's relay does not sleep."""

from __future__ import annotations

from pathlib import Path

import pytest

from joblist.broker import connection, entry, settings
from joblist.broker.keepalive import PERIOD, KeepAlive
from tests.support.fake_bus import FakeBus, Instance
from tests.support.flux.fake import FakeFlux


def test_a_message_each_period_until_it_is_stopped() -> None:
    bus = FakeBus()
    sent: list[int] = []
    keepalive = KeepAlive(bus.timer, lambda: sent.append(1))
    bus.pass_time(2 * PERIOD)
    assert [] == sent
    keepalive.start()
    for _ in range(5):
        bus.pass_time(1.01 * PERIOD)
    assert 5 == len(sent)
    keepalive.stop()
    bus.pass_time(2 * PERIOD)
    assert 5 == len(sent)


def test_a_message_that_failed_is_followed_by_others() -> None:
    bus = FakeBus()
    tried: list[int] = []

    def failing() -> None:
        tried.append(1)
        raise OSError("the broker takes none")

    KeepAlive(bus.timer, failing).start()
    for _ in range(3):
        try:
            bus.pass_time(1.01 * PERIOD)
        except OSError:
            continue
    assert 3 == len(tried)


def test_the_module_sends_them_from_its_start_to_its_end(tmp_path: Path) -> None:
    instance = Instance({}, rundir=str(tmp_path), broker_uuid="b")
    during: list[int] = []

    def script() -> None:
        for _ in range(3):
            instance.pass_time(1.01 * PERIOD)
        during.append(instance.kept_alive)

    instance.script = script
    entry.run(instance, [f"dbpath={tmp_path / settings.FILE_NAME}"])
    instance.pass_time(10 * PERIOD)
    assert [3] == during
    assert 3 == instance.kept_alive


@pytest.mark.parametrize(("register", "messages"), [(False, 1), (True, 0)])
def test_the_message_is_one_that_the_broker_takes_and_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, register: bool, messages: int
) -> None:
    flux = FakeFlux()
    flux.install(monkeypatch)
    link = connection.Link(flux, "job-list", register=register)
    link.keep_alive()
    sent = [("broker.ping", {"seq": 0}, "FLUX_NODEID_ANY", "FLUX_RPC_NORESPONSE")]
    assert sent * messages == flux.requests

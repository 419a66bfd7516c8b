# SPDX-License-Identifier: LGPL-3.0
"""Formats with names against flux-core's flux-jobs.py and UtilConfig of flux.util."""

import json
import sys
from typing import Any

import pytest

from cli.flux_jobs import fields
from cli.flux_jobs.fields import JobInfo
from cli.flux_jobs.format_string import OutputFormat
from cli.flux_jobs.named_formats import FORMATS, NamedFormat, as_configuration, chosen

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MOMENT = 1_700_000_000.0  # 2023-11-14 17:13:20 in New York

pytestmark = pytest.mark.usefixtures("new_york")


def test_named_formats() -> None:
    assert {"default", "cute", "long", "deps", "endreason"} == set(FORMATS)
    assert FORMATS["deps"].format == chosen("deps", FORMATS)
    assert chosen("{id}", FORMATS) == "{id}"
    assert chosen("mine", {"mine": NamedFormat("", "{id} x")}) == "{id} x"


def test_the_default_is_that_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for value, expected in (("{id}", "{id}"), ("deps", FORMATS["deps"].format)):
        monkeypatch.setenv("FLUX_JOBS_FORMAT_DEFAULT", value)
        assert expected == chosen(None, FORMATS) == chosen("default", FORMATS)
        assert chosen("long", FORMATS) == FORMATS["long"].format
    monkeypatch.setenv("FLUX_JOBS_FORMAT_DEFAULT", "")
    assert FORMATS["default"].format == chosen(None, FORMATS)


def test_a_format_as_configuration_can_be_read_again() -> None:
    form = NamedFormat('of "mine"', "{id}\\\t{name}")
    text = "\n".join(as_configuration("mine", {"mine": form}))
    table = tomllib.loads(text)["formats"]["mine"]
    assert form == NamedFormat(**table)


def test_no_such_named_format() -> None:
    with pytest.raises(ValueError, match="--format: No such format") as caught:
        chosen("id,name", FORMATS)
    expected = "--format: No such format id,name (Did you mean '{id},{name}'?)"
    assert expected == str(caught.value)


JOBS: list[dict[str, Any]] = json.loads("""[
  {"id": 35114713088, "userid": 0, "urgency": 16, "priority": 16, "state": 64, "result": 2,
   "name": "hostname-of-all", "queue": "batch", "ntasks": 4, "nnodes": 2, "waitstatus": 256,
   "t_submit": 1699999400, "t_run": 1699999700, "t_cleanup": 1699999790,
   "t_inactive": 1699999791, "nodelist": "asp[0-1]"},
  {"id": 44258295808, "userid": 0, "urgency": 16, "priority": 16, "state": 16,
   "name": "sleep", "ntasks": 16, "nnodes": 4,
   "t_submit": 1699999400, "t_run": 1699999995, "expiration": 1700000055,
   "nodelist": "asp[0-3]"},
  {"id": 54391734272, "userid": 123456789, "urgency": 0, "priority": 0, "state": 8,
   "name": "x", "ntasks": 1, "duration": 60.0, "t_submit": 1699999999,
   "annotations": {"sched": {}}}
]""")


# What `flux jobs` of flux-core 0.88.0 prints for these jobs.
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "default",
            [
                "       JOBID QUEUE    USER      NAME       ST NTASKS NNODES     TIME INFO",
                "     ƒvVy5pj batch    root      hostname-+  F      4      2     1.5m asp[0-1]",
                "    ƒ2ARxLQf          root      sleep       R     16      4   5.000s asp[0-3]",
                "    ƒ2RsQrcw          123456789 x           S      1      -       1m held",
            ],
        ),
        (
            "cute",
            [
                "       JOBID QUEUE    USER      NAME       STATUS NTASKS NNODES     TIME INFO",
                "     ƒvVy5pj batch    root      hostname-+     💩      4      2     1.5m asp[0-1]",  # noqa: E501
                "    ƒ2ARxLQf          root      sleep          🏃     16      4   5.000s asp[0-3]",  # noqa: E501
                "    ƒ2RsQrcw          123456789 x              📅      1      -       1m held",
            ],
        ),
        (
            "long",
            [
                "       JOBID QUEUE    USER      NAME          STATUS NTASKS NNODES     T_SUBMIT  T_REMAINING     TIME INFO",  # noqa: E501
                "     ƒvVy5pj batch    root      hostname-+    FAILED      4      2  Nov14 17:03            -     1.5m asp[0-1]",  # noqa: E501
                "    ƒ2ARxLQf          root      sleep            RUN     16      4  Nov14 17:03          55s   5.000s asp[0-3]",  # noqa: E501
                "    ƒ2RsQrcw          123456789 x              SCHED      1      -  Nov14 17:13            -       1m held",  # noqa: E501
            ],
        ),
        (
            "deps",
            [
                "       JOBID QUEUE    NAME       URG PRI          STATE    DEPENDENCIES",
                "     ƒvVy5pj batch    hostname-+ 16  16           INACTIVE ",
                "    ƒ2ARxLQf          sleep      16  16           RUN      ",
                "    ƒ2RsQrcw          x          0   0            SCHED    ",
            ],
        ),
        (
            "endreason",
            [
                "       JOBID QUEUE    USER      NAME       ST   T_INACTIVE INACTIVE-REASON",
                "     ƒvVy5pj batch    root      hostname-+  F  Nov14 17:09 Exit 1",
                "    ƒ2ARxLQf          root      sleep       R            - ",
                "    ƒ2RsQrcw          123456789 x           S            - ",
            ],
        ),
    ],
)
def test_named_formats_of_jobs(name: str, expected: list[str]) -> None:
    rows = [JobInfo(job, now=MOMENT, username=fields.user_names()) for job in JOBS]
    lines = OutputFormat(FORMATS[name].format, fields.heading).lines(rows)
    assert expected == list(lines)

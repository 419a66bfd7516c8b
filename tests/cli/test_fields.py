# SPDX-License-Identifier: LGPL-3.0
"""Fields of `list` against flux-jobs(1) and flux-core's t2800-jobs-cmd.t."""

import json
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cli.commands.query.list import _decoded
from cli.flux_jobs.fields import JobInfo, attributes, field, heading, user_names

NOW = 1_700_000_000.0  # 2023-11-14 17:13:20 in New York

pytestmark = pytest.mark.usefixtures("new_york")


def job(**attrs: Any) -> JobInfo:
    return JobInfo({"id": 6731191091817518, **attrs}, now=NOW, username=user_names())


def texts(info: JobInfo, *names: str) -> list[str]:
    return [str(info[name]) for name in names]


DEPEND, PRIORITY, SCHED, RUN, CLEANUP, INACTIVE = 2, 4, 8, 16, 32, 64
COMPLETED, FAILED, CANCELED, TIMEOUT = 1, 2, 4, 8


def test_id_is_f58_as_text_and_a_number_otherwise() -> None:
    value = job()["id"]
    expected = ("ƒuZZybuNNy", 6731191091817518, "   6731191091817518")
    assert expected == (f"{value}", value, f"{value:>19}")


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("f58", "ƒuZZybuNNy"),
        ("f58plain", "fuZZybuNNy"),
        ("dec", "6731191091817518"),
        ("hex", "0x17e9fb8df16c2e"),
        ("dothex", "0017.e9fb.8df1.6c2e"),
        ("kvs", "job.0017.e9fb.8df1.6c2e"),
        ("words", "reform-remote-galileo--heart-package-academy"),
        ("emoji", "👩💅📓😸👑🚓"),
    ],
)
def test_id_in_other_encodings(form: str, expected: str) -> None:
    assert expected == job()[f"id.{form}"]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (1, ["NEW", "N", "🎁"]),
        (DEPEND, ["DEPEND", "D", "🛑"]),
        (PRIORITY, ["PRIORITY", "P", "🚦"]),
        (SCHED, ["SCHED", "S", "📅"]),
        (RUN, ["RUN", "R", "🏃"]),
        (CLEANUP, ["CLEANUP", "C", "🗑"]),
        (INACTIVE, ["INACTIVE", "I", "💀"]),
        (128, ["(unknown)", "?", "?"]),
    ],
)
def test_states(state: int, expected: list[str]) -> None:
    assert expected == texts(job(state=state), "state", "state_single", "state_emoji")


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({}, ["", "", "\u3000"]),
        ({"result": COMPLETED}, ["COMPLETED", "CD", "😀"]),
        ({"result": FAILED}, ["FAILED", "F", "💩"]),
        ({"result": CANCELED}, ["CANCELED", "CA", "💥"]),
        ({"result": TIMEOUT}, ["TIMEOUT", "TO", "⌛"]),
    ],
)
def test_results_are_the_status_of_inactive_jobs(
    result: dict[str, int], expected: list[str]
) -> None:
    info = job(state=INACTIVE, **result)
    assert expected == texts(info, "result", "result_abbrev", "result_emoji")
    assert expected == texts(info, "status", "status_abbrev", "status_emoji")


def test_status_of_active_jobs_is_their_state() -> None:
    expected = ["CLEANUP", "C", "🗑"]
    info = job(state=CLEANUP, result=COMPLETED)
    assert expected == texts(info, "status", "status_abbrev", "status_emoji")


def test_unset_attributes() -> None:
    blank = ["name", "cwd", "queue", "project", "bank", "ntasks", "ncores", "nnodes", "ranks"]
    blank += ["nodelist", "success", "priority", "waitstatus", "exception.occurred", "result"]
    blank += ["exception.severity", "exception.type", "exception.note", "dependencies", "user"]
    blank += ["annotations", "sched", "user.x", "annotations.a.b.c", "uri", "uri.local"]
    blank += ["instance.utilization", "instance.resources.all.ncores", "returncode"]
    zero = ["t_depend", "t_run", "t_inactive", "duration", "expiration", "runtime"]
    assert [""] * len(blank) == texts(job(), *blank)
    assert ["0.0"] * len(zero) == texts(job(), *zero)


def test_plain_attributes() -> None:
    attrs = {"name": "sleep", "ntasks": 4, "duration": 300.0, "success": True, "urgency": 16}
    assert attrs == {name: job(**attrs)[name] for name in attrs}
    assert job(exception_type="cancel")["exception.type"] == "cancel"


@pytest.mark.parametrize(("userid", "expected"), [(0, "root"), (4242, "4242")])
def test_username_or_else_the_number(userid: int, expected: str) -> None:
    assert expected == job(userid=userid)["username"]


@pytest.mark.parametrize(
    ("attrs", "expected"),
    [
        ({"t_cleanup": NOW}, 0.0),  # never ran
        ({"t_run": NOW - 100}, 100.0),
        ({"t_run": NOW - 100, "t_cleanup": NOW - 30}, 70.0),
        ({"t_run": NOW - 100, "t_cleanup": NOW - 100}, 0.0),
    ],
)
def test_runtime(attrs: dict[str, float], expected: float) -> None:
    assert expected == job(state=RUN, **attrs)["runtime"]


@pytest.mark.parametrize(
    ("state", "expiration", "expected"),
    [
        (RUN, NOW + 60, 60.0),
        (RUN, NOW - 60, 0.0),
        (RUN, 0.0, 0.0),
        (CLEANUP, NOW + 60, 0.0),
        (SCHED, NOW + 60, 0.0),
    ],
)
def test_time_remaining(state: int, expiration: float, expected: float) -> None:
    assert expected == job(state=state, expiration=expiration)["t_remaining"]


# flux-core t/flux-jobs/tests/returncode
@pytest.mark.parametrize(
    ("attrs", "expected"),
    [
        ({"state": RUN}, ""),
        ({"waitstatus": 15, "result": COMPLETED}, -15),
        ({"result": CANCELED}, -128),
        ({"result": FAILED}, 1),
        ({"result": TIMEOUT}, ""),
        ({"waitstatus": 10752, "result": FAILED}, 42),
        ({"waitstatus": 0, "result": COMPLETED}, 0),
        ({"waitstatus": 0x137F}, ""),  # stopped: neither exited nor killed
    ],
)
def test_returncode(attrs: dict[str, int], expected: int | str) -> None:
    assert expected == job(**{"state": INACTIVE, **attrs})["returncode"]


# flux-core t/flux-jobs/tests/contextual_info and others
@pytest.mark.parametrize(
    ("attrs", "expected"),
    [
        ({"state": PRIORITY}, "priority-wait"),
        ({"state": DEPEND, "dependencies": ["a=1", "b"]}, "depends:a=1,b"),
        ({"state": SCHED, "t_estimate": NOW - 1}, "eta:now"),
        ({"state": SCHED, "t_estimate": NOW + 5400, "urgency": 0}, "eta:1.5h"),
        ({"state": SCHED, "t_estimate": "soon", "urgency": 0}, "held"),
        ({"state": SCHED, "urgency": 0, "priority": 0}, "held"),
        ({"state": SCHED, "urgency": 16, "priority": 0}, "priority-hold"),
        ({"state": SCHED, "urgency": 16, "priority": 16}, ""),
        ({"state": RUN, "nodelist": "asp[0-3]"}, "asp[0-3]"),
        ({"state": CLEANUP, "nodelist": "asp"}, "asp"),
        ({"state": INACTIVE}, ""),
    ],
)
def test_contextual_info(attrs: dict[str, Any], expected: str) -> None:
    annotations = (
        {"sched": {"t_estimate": attrs["t_estimate"]}} if "t_estimate" in attrs else {}
    )
    assert expected == job(annotations=annotations, **attrs)["contextual_info"]


@pytest.mark.parametrize(
    ("state", "expected"),
    [(DEPEND, 300.0), (PRIORITY, 300.0), (SCHED, 300.0), (RUN, 10.0), (INACTIVE, 10.0)],
)
def test_contextual_time(state: int, expected: float) -> None:
    assert expected == job(state=state, duration=300.0, t_run=NOW - 10)["contextual_time"]


@pytest.mark.parametrize(
    ("attrs", "expected"),
    [
        ({"state": CLEANUP, "result": FAILED, "waitstatus": 256}, ""),
        ({"result": COMPLETED, "waitstatus": 0}, "Exit 0"),
        ({"result": TIMEOUT, "waitstatus": 36352}, "Timeout"),
        ({"result": FAILED, "waitstatus": 256}, "Exit 1"),
        ({"result": FAILED, "waitstatus": 9}, "Exit -9"),
        ({"result": FAILED, "waitstatus": 126 << 8}, "Command invoked cannot execute"),
        ({"result": FAILED, "waitstatus": 127 << 8}, "command not found"),
        ({"result": FAILED, "waitstatus": 128 << 8}, "Invalid argument to exit"),
        ({"result": FAILED, "waitstatus": 143 << 8}, "Terminated"),
        ({"result": FAILED, "waitstatus": 160 << 8}, "Signaled 32"),
        ({"result": FAILED, "waitstatus": 255 << 8}, "Signaled 127"),
        ({"result": FAILED, "exception": (0, "alloc", "")}, "Exception: type=alloc"),
        ({"result": FAILED, "exception": (0, "x", "why")}, "Exception: type=x note=why"),
        ({"result": FAILED, "exception": (1, "x", "why"), "waitstatus": 512}, "Exit 2"),
        (
            {"result": FAILED, "exception": (0, "exec", "lost"), "waitstatus": 127 << 8},
            "command not found",
        ),
        ({"result": CANCELED}, "Canceled"),
        ({"result": CANCELED, "exception": (0, "cancel", "")}, "Canceled"),
        ({"result": CANCELED, "exception": (0, "cancel", "by me")}, "Canceled: by me"),
        ({"result": CANCELED, "exception": (0, "other", "by me")}, "Canceled"),
    ],
)
def test_inactive_reason(attrs: dict[str, Any], expected: str) -> None:
    attrs = {"state": INACTIVE, **attrs}
    if "exception" in attrs:
        names = ("exception_severity", "exception_type", "exception_note")
        attrs |= zip(names, attrs.pop("exception"), strict=True)
        attrs["exception_occurred"] = True
    assert expected == job(**attrs)["inactive_reason"]


@pytest.mark.parametrize(
    ("dependency", "expected"),
    [
        ("after-finish=ƒ2ARxLQf", "after-finish=ƒ2ARxLQf"),
        ("begin-time=1700002800.0", "begin@18:00"),
        ("begin-time=1700002807.9", "begin@18:00:07"),
        ("begin-time=1700089200", "begin@Nov15-18:00"),
        ("begin-time=soon", "begin-time=soon"),
    ],
)
def test_dependencies(dependency: str, expected: str) -> None:
    info = job(dependencies=[dependency, "x"])
    assert f"{expected},x" == info["dependencies"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "annotations",
            '{"sched": {}, "user": {"a": {"b": 1.5}, "tags": ["x", "y"], "n": null}}',
        ),
        ("sched", ""),
        ("sched.t_estimate", ""),
        ("user.a", '{"b": 1.5}'),
        ("user.a.b", "1.5"),
        ("annotations.user.a.b", "1.5"),
        ("user.a.b.c", ""),
        ("user.tags", "['x', 'y']"),
        ("user.tags[1]", "y"),
        ("user.tags[2]", ""),
        ("user.tags.x", ""),
        ("user.n", "None"),
        ("annotations.nosuch", ""),
    ],
)
def test_annotations(name: str, expected: str) -> None:
    annotations = {"sched": {}, "user": {"a": {"b": 1.5}, "tags": ["x", "y"], "n": None}}
    assert expected == str(job(annotations=annotations)[name])


@pytest.mark.parametrize(
    ("uri", "local"),
    [
        ("ssh://host/tmp//flux-1/local-0", "local:///tmp/flux-1/local-0"),
        ("local:///tmp/flux-1/local-0", "local:///tmp/flux-1/local-0"),
    ],
)
def test_uris(uri: str, local: str) -> None:
    assert [uri, local] == texts(job(annotations={"user": {"uri": uri}}), "uri", "uri.local")


# flux-core t2800-jobs-cmd.t, and what it leaves out
@pytest.mark.parametrize(
    "pair",
    [
        *("id=JOBID", "id.f58=JOBID", "id.kvs=JOBID", "id.emoji=JOBID", "userid=UID"),
        *("username=USER", "urgency=URG", "priority=PRI", "state=STATE", "state_single=S"),
        *("state_emoji=STATE", "name=NAME", "cwd=CWD", "queue=QUEUE", "project=PROJECT"),
        *("bank=BANK", "ntasks=NTASKS", "ncores=NCORES", "duration=DURATION"),
        *("nnodes=NNODES", "ranks=RANKS", "nodelist=NODELIST", "contextual_info=INFO"),
        *("contextual_time=TIME", "inactive_reason=INACTIVE-REASON", "success=SUCCESS"),
        *("exception.occurred=EXCEPTION-OCCURRED", "exception.note=EXCEPTION-NOTE"),
        *("exception.severity=EXCEPTION-SEVERITY", "exception.type=EXCEPTION-TYPE"),
        *("result=RESULT", "result_abbrev=RS", "result_emoji=RESULT", "t_submit=T_SUBMIT"),
        *("t_depend=T_DEPEND", "t_priority=T_PRIORITY", "t_sched=T_SCHED", "t_run=T_RUN"),
        *("t_cleanup=T_CLEANUP", "t_inactive=T_INACTIVE", "runtime=RUNTIME"),
        *("expiration=EXPIRATION", "t_remaining=T_REMAINING", "status=STATUS"),
        *("status_abbrev=ST", "status_emoji=STATUS", "waitstatus=WSTATUS", "returncode=RC"),
        *("annotations=ANNOTATIONS", "annotations.sched=SCHED", "dependencies=DEPENDENCIES"),
        *("annotations.sched.t_estimate=T_ESTIMATE", "annotations.sched.foobar=SCHED.FOOBAR"),
        *(
            "annotations.sched.reason_pending=REASON",
            "sched=SCHED",
            "sched.foobar=SCHED.FOOBAR",
        ),
        *("sched.t_estimate=T_ESTIMATE", "sched.resource_summary=RESOURCES", "user=USER"),
        *("sched.reason_pending=REASON", "user.foobar=USER.FOOBAR", "uri=URI", "uri.local=URI"),
        *("instance.stats=STATS", "instance.stats.total=NJOBS", "instance.utilization=CORE%"),
        *("instance.progress=PROG", "instance.gpu_utilization=GPU%"),
        *("instance.resources.all.ncores=CORES", "instance.resources.all.ngpus=GPUS"),
        *("instance.resources.all.nnodes=NODES", "instance.resources.up.ngpus=UP"),
        *("instance.resources.down.nnodes=DOWN", "instance.resources.allocated.ncores=USED"),
        *("instance.resources.free.ncores=FREE", "instance.resources.up.x=UP.X"),
    ],
)
def test_headings(pair: str) -> None:
    name, _, expected = pair.partition("=")
    assert expected == heading(name)


@pytest.mark.parametrize("name", ["", "foo", "id.foo", "ID", "user.", "instance", "exception"])
def test_no_such_field(name: str) -> None:
    with pytest.raises(KeyError, match=f"^'{name}'$"):
        field(name)
    with pytest.raises(KeyError, match=f"^'{name}'$"):
        job()[name]


def test_attributes_needed() -> None:
    assert set() == attributes(["id.f58"])
    names = ["id", "username", "user.x", "exception.note", "status"]
    assert {"userid", "annotations", "exception_note", "state", "result"} == attributes(names)


class Recorder(dict[str, Any]):
    """Attributes that record which of them were read."""

    def __init__(self, attrs: dict[str, Any]) -> None:
        super().__init__(attrs)
        self.asked: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.asked.add(key)
        return super().get(key, default)

    def __getitem__(self, key: str) -> Any:
        self.asked.add(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self.asked.add(str(key))
        return super().__contains__(key)


@pytest.mark.parametrize("state", [DEPEND, SCHED, RUN, INACTIVE])
@pytest.mark.parametrize("result", [FAILED, CANCELED])
@pytest.mark.parametrize(
    "name",
    [
        *("id", "username", "returncode", "status", "status_emoji", "result", "t_remaining"),
        *("runtime", "contextual_info", "contextual_time", "inactive_reason", "uri.local"),
        *("exception.severity", "sched.t_estimate", "dependencies", "expiration"),
    ],
)
def test_no_other_attribute_is_asked_for(name: str, state: int, result: int) -> None:
    asked = Recorder({"id": 1, "state": state, "result": result, "exception_occurred": True})
    str(JobInfo(asked, now=NOW, username=str)[name])
    assert set() == asked.asked - attributes([name]) - {"id"}


_NUMBERS = st.one_of(st.integers(), st.integers(10**18, 10**40), st.floats())


@given(st.dictionaries(st.text(max_size=3), st.one_of(_NUMBERS, st.text(), st.booleans())))
@example({"half": "\ud800"})
@example({"infinite": math.inf, "large": 10**400})
def test_jobs_are_decoded_as_python_decodes_json(job: dict[str, object]) -> None:
    for text in (json.dumps(job), json.dumps(job).replace("Infinity", "1e999")):
        assert repr(_decoded(text.encode())) == repr(json.loads(text))


def test_a_number_of_more_digits_than_python_converts() -> None:
    assert _decoded(b'{"id":%b}' % (b"9" * 5000)) == {"id": math.inf}

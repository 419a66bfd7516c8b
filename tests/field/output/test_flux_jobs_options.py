# SPDX-License-Identifier: LGPL-3.0
"""What the fingers know from `flux jobs`: options mean here what they mean there.

The right values are what `flux jobs` of flux-core 0.88 prints for the same jobs
(src/cmd/flux-jobs.py, and flux/util.py of its Python bindings). docs/flux-jobs.md is the table.
"""

from __future__ import annotations

import json
import re
from importlib import import_module
from pathlib import Path

import click
import pytest

from cli.flux_jobs import fields
from tests.support.command import ROOT, Command
from tests.support.field_jobs import EPOCH, event, job

list_command = import_module("cli.commands.query.list")
HEADING = "       JOBID USER     NAME       ST NTASKS NNODES     TIME INFO"
LONG = "       JOBID USER     NAME          STATUS NTASKS NNODES     T_SUBMIT"
ROW = "      ƒ2UzHM 1001     app        CD      1      1   2.000s node1"
TWO = ["{id.dec} {name}", "16777216 app"]
ONLY = ("list", "-u", "1001", "-f", "completed")


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """Jobs that completed, failed, were canceled, timed out, run and wait."""
    jobdb = Command(tmp_path_factory.mktemp("options"))

    def over(kind: str) -> dict[str, list[dict[str, object]]]:
        note = {"type": kind, "severity": 0, "note": "", "userid": 1001}
        return {"start": [event(EPOCH + 5.5, "exception", note)]}

    batch = {"user": {"uri": "ssh://node1/tmp/flux/local-0"}}
    jobdb.ingest([
        *job(1),
        *job(2, name="bad", contexts={"finish": {"status": 256}}, system={"queue": "debug"}),
        *job(3, name="cut", also=over("cancel"), contexts={"finish": {"status": 9}}),
        *job(4, name="late", also=over("timeout"), contexts={"finish": {"status": 9}}),
        *job(5, name="batch", last="start", system={"queue": "debug"},
             also={"start": [event(EPOCH + 6, "memo", batch["user"])]}),
        *job(6, name="wait", last="priority", system={"queue": "batch"}),
        *job(7, name="other", contexts={"submit":
             {"userid": 1002, "urgency": 16, "flags": 0, "version": 1}}),
    ])  # fmt: skip
    return jobdb


def names(jobdb: Command, *words: str) -> set[str]:
    return set(jobdb("list", "--no-header", "-o", "{name}", *words).lines)


@pytest.mark.parametrize(
    "option",
    [
        "-n",
        "--no-header",
        "--suppress-header",
    ],
)
def test_no_header(stored: Command, option: str) -> None:
    done = stored("list", "-Aa", option, "--name", "app")
    assert [ROW] == done.lines
    assert [ROW] == stored("list", option, "f2UzHM").lines
    cut = stored("list", "-Aa", option, "-c", "1")
    assert (1, "") == (len(cut.lines), cut.err)


def test_n_takes_no_argument(stored: Command) -> None:
    assert "app" in stored("list", "-A", "-n", "f2UzHM", "-o", "{name}").lines
    assert [ROW] == stored("list", "-Aan", "--name=app").lines


def test_name_is_long_only(stored: Command) -> None:
    assert {"app"} == names(stored, "-Aa", "--name", "app")
    assert {"bad"} == names(stored, "-Aa", "--name=bad")


CUT = [HEADING[:29] + "+", ROW[:29] + "+"]
WHOLE = [HEADING, ROW]
WIDTHS = {
    ("-w", "30"): CUT, ("-w30",): CUT, ("--width=30",): CUT, ("--width", "30"): CUT,
    ("-w", "200"): WHOLE, ("-w", "-1"): WHOLE, ("-w-1",): WHOLE, ("--width=-12",): WHOLE,
    ("-w", "0"): WHOLE, ("--width",): WHOLE, ("-w",): WHOLE,
}  # fmt: skip


@pytest.mark.parametrize("words", list(WIDTHS), ids=" ".join)
def test_width(stored: Command, words: tuple[str, ...]) -> None:
    assert WIDTHS[words] == stored(*ONLY, *words).lines


def test_width_is_that_of_the_terminal(stored: Command) -> None:
    form = "{name} " + "x" * 300
    shown = stored.on_terminal(*ONLY, "-w", "-o", form, "--color=never", streams=("stdout",))
    assert {80} == {len(line) for line in shown.err.splitlines()}
    assert all(line.endswith("x+") for line in shown.err.splitlines())


GREEN, RED, GRAY, BLUE, RESET = (
    "\033[01;32m", "\033[01;31m", "\033[37m", "\033[01;34m", "\033[0;0m",
)  # fmt: skip


@pytest.mark.parametrize("words", [("--color",), ("--color=always",)], ids=" ".join)
def test_color(stored: Command, words: tuple[str, ...]) -> None:
    done = stored("list", "-Aa", "--sort", "id", "-n", "-o", "{name}", *words)
    assert done.out == (
        f"{GREEN}app\n{RESET}{RED}bad\n{RESET}{GRAY}cut\n{RESET}{RED}late\n{RESET}"
        f"{BLUE}batch\n{RESET}wait\n{GREEN}other\n{RESET}"
    )


def test_color_only_where_somebody_sees_it(stored: Command) -> None:
    for words in (("--color=never",), ("--color=auto",), ()):
        assert "\033" not in stored(*ONLY, *words).out
    shown = stored.on_terminal(*ONLY, "--color=never", streams=("stdout",))
    assert "\033" not in shown.err
    assert "\033" in stored.on_terminal(*ONLY, streams=("stdout",)).err
    env = {"LC_ALL": "C.UTF-8", "NO_COLOR": "1"}
    assert "\033" not in stored(*ONLY, env=env).out
    assert "\033" in stored(*ONLY, "--color=always", env=env).out
    assert "color" in stored(*ONLY, "--color=sometimes", status=2).err


CONFIG = """
[formats.mine]
description = "My format"
format = "{id.dec} {name}"
"""


def configured(jobdb: Command, where: Path, text: str, suffix: str = "toml") -> None:
    (where / "flux").mkdir(parents=True, exist_ok=True)
    (where / "flux" / f"flux-jobs.{suffix}").write_text(text)


@pytest.mark.parametrize("place", ["home", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS"])
def test_formats_are_found_where_flux_looks(jobdb: Command, place: str) -> None:
    jobdb.ingest(job(1))
    env = {"LC_ALL": "C.UTF-8"}
    where = jobdb.folder / ".config" if place == "home" else jobdb.folder / "xdg"
    if place != "home":
        env[place] = f"{where}:/nowhere" if place.endswith("DIRS") else str(where)
    configured(jobdb, where, CONFIG)
    assert ["JOBID NAME", "16777216 app"] == jobdb("list", "-Aa", "-o", "mine", env=env).lines
    assert "My format" in jobdb("list", "-o", "help", env=env).out
    got = jobdb("list", "-o", "get-config=mine", env=env).out
    assert got == CONFIG.lstrip()
    env["FLUX_JOBS_FORMAT_DEFAULT"] = "mine"
    assert ["JOBID NAME", "16777216 app"] == jobdb("list", "-Aa", env=env).lines


def test_a_users_own_format_goes_before_the_systems(jobdb: Command) -> None:
    jobdb.ingest(job(1))
    system, user = jobdb.folder / "system", jobdb.folder / "user"
    configured(jobdb, system, CONFIG)
    configured(jobdb, user, '[formats.mine]\nformat = "{name}"\n')
    configured(jobdb, user, json.dumps({"formats": {"more": {"format": "{id.dec}"}}}), "json")
    env = {"LC_ALL": "C.UTF-8", "XDG_CONFIG_HOME": str(user), "XDG_CONFIG_DIRS": str(system)}
    assert ["NAME", "app"] == jobdb("list", "-Aa", "-o", "mine", env=env).lines
    assert ["JOBID", "16777216"] == jobdb("list", "-Aa", "-o", "more", env=env).lines


@pytest.mark.parametrize(
    "text",
    ['[formats.default]\nformat = "{id}"', "x =", '[other]\nx = 1', "[formats]\nmine = 1",
     "[formats.mine]\ndescription = 'x'", "[formats.mine]\nformat = 1"],
)  # fmt: skip
def test_a_mistake_in_the_formats_is_said(jobdb: Command, text: str) -> None:
    jobdb.ingest(job(1))
    configured(jobdb, jobdb.folder / ".config", text)
    done = jobdb("list", "-Aa", status=1)
    assert "flux-jobs.toml" in done.err
    assert done.err.count("\n") == 1


def test_formats_that_come_with_flux(stored: Command) -> None:
    assert [HEADING, ROW] == stored(*ONLY).lines
    assert stored(*ONLY, "-o", "long").lines[0].startswith(LONG)
    assert "Did you mean '{id},{name}'" in stored(*ONLY, "-o", "id,name", status=2).err


def test_the_built_in_formats_can_be_had_as_configuration(stored: Command) -> None:
    out = stored("list", "-o", "get-config=deps").out
    assert out.startswith('[formats.deps]\ndescription = "Show job urgency, priority')
    assert "No such format nope" in stored("list", "-o", "get-config=nope", status=(1, 2)).err


def test_filters(stored: Command) -> None:
    assert {"batch", "wait"} == names(stored, "-u", "1001")
    assert {"batch", "wait"} == names(stored, "-A")
    assert {"bad", "cut", "late"} == names(
        stored, "-A", "-f", "failed,canceled", "-f", "timeout"
    )
    assert {"wait"} == names(stored, "-A", "--filter=PENDING")
    assert {"other"} == names(stored, "-a", "-u", "1002")
    assert {"batch", "bad"} == names(stored, "-Aa", "-q", "debug")
    assert {"batch", "bad", "wait"} == names(stored, "-Aa", "-q", "debug,batch")
    assert {"app", "bad", "cut", "late", "batch", "other"} == names(stored, "-a", "-i", "node1")
    assert {"batch"} == names(stored, "-i", "0")
    assert {"batch", "wait"} == names(stored, "-A", "--since", "1790000099", "-f", "active")


def test_filters_that_say_nothing_are_said_to(stored: Command) -> None:
    done = stored("list", "-A", "-a", "-f", "failed", "-n", "-o", "{name}")
    assert ["bad"] == done.lines
    assert "ignoring -a" in done.err
    done = stored("list", "-f", "failed", "-n", "-o", "{name}", "f2UzHM")
    assert (["app"], True) == (done.lines, "ignored" in done.err)


def test_ids_that_are_not_there_are_named(stored: Command) -> None:
    done = stored("list", "--no-header", "-o", "{name}", "f2UzHM", "f21")
    assert ["app"] == done.lines
    assert "f21" in done.err.replace("ƒ", "f")
    assert b"" == stored("list", "f21", status=1).stdout


def test_statistics(stored: Command) -> None:
    line = "1 running, 2 completed, 3 failed, 1 pending, 0 inactive purged"
    done = stored("list", "--stats", "-A", "-n", "-o", "{name}", "--sort", "name")
    assert [line, "batch", "wait"] == done.lines
    assert [line] == stored("list", "--stats-only").lines
    debug = "1 running, 0 completed, 1 failed, 0 pending, 0 inactive purged"
    assert [debug] == stored("list", "--stats-only", "-q", "debug").lines


@pytest.mark.parametrize(
    "words",
    [
        "-u 1002",
        "-f failed",
        "--name app",
        "-i node1",
        "f2UzHM",
        "--since 1790000000",
        "-a",
    ],
)
def test_statistics_apply_a_filter_or_refuse_it_by_name(stored: Command, words: str) -> None:
    done = stored.run("list", "--stats-only", *words.split())
    right = {
        "-u 1002": "0 running, 1 completed, 0 failed, 0 pending, 0 inactive purged",
        "-f failed": "0 running, 0 completed, 1 failed, 0 pending, 0 inactive purged",
        "--name app": "0 running, 1 completed, 0 failed, 0 pending, 0 inactive purged",
        "-i node1": "1 running, 2 completed, 3 failed, 0 pending, 0 inactive purged",
        "--since 1790000000": "1 running, 2 completed, 3 failed, 1 pending, 0 inactive purged",
        "-a": "1 running, 2 completed, 3 failed, 1 pending, 0 inactive purged",
        "f2UzHM": "0 running, 1 completed, 0 failed, 0 pending, 0 inactive purged",
    }[words]
    refused = {"f2UzHM": "JOBID", "-u 1002": "--user", "-f failed": "--filter"}.get(
        words, words.split(maxsplit=1)[0]
    )
    if done.status == 2:
        assert refused.lstrip("-") in done.err
    else:
        assert [right] == done.lines


@pytest.mark.parametrize("words", ["-R", "--recursive", "--recurse-all"])
def test_recursion_is_refused_with_a_reason(stored: Command, words: str) -> None:
    done = stored("list", "-A", words, status=2)
    assert "instance" in done.err
    assert "No such option" not in done.err


@pytest.mark.parametrize("words", ["-L 1", "--level=0", "--threads=4"])
def test_options_that_change_nothing_here_are_taken(stored: Command, words: str) -> None:
    assert [HEADING, ROW] == stored(*ONLY, *words.split()).lines


def test_jobs_that_lived_between_two_times(stored: Command) -> None:
    def between(since: float, until: float) -> set[str]:
        return names(stored, "-A", "--since", repr(since), "--until", repr(until))

    assert {"batch", "wait"} == between(EPOCH + 100, EPOCH + 200)
    assert set() == names(stored, "-A", "-a", "--until", repr(EPOCH - 1))
    everybody = {"app", "bad", "cut", "late", "batch", "wait", "other"}
    assert everybody == between(EPOCH - 10, EPOCH + 1)
    assert everybody == names(stored, "-A", "--until", repr(EPOCH + 3))
    assert (
        "--until"
        in stored("list", "--since", "1790000010", "--until", "1790000005", status=2).err
    )


@pytest.mark.parametrize("words", ["-c -1", "-c x", "-f nonsense", "-u nobody-of-this-name"])
def test_what_flux_refuses_is_refused(stored: Command, words: str) -> None:
    assert "Error" in stored("list", *words.split(), status=2).err


def test_the_help_names_all_options_of_flux(stored: Command) -> None:
    text = stored("list", "--help").out
    for option in (
        "-a", "-A", "-n, --no-header", "-u, --user", "--name", "-q, --queue", "-i, --include",
        "-c, --count", "--since", "--until", "-f, --filter", "-o, --format", "-w, --width",
        "--sort", "--json", "--color", "--stats", "--stats-only",
    ):  # fmt: skip
        assert option in text, option


def in_the_docs() -> dict[str, str]:
    """Return the options of the table in docs/flux-jobs.md, and what it says of each."""
    text = (ROOT / "docs" / "flux-jobs.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^\| `(-[^`]+)` \| ([^|]+) \|", text, re.MULTILINE))


def test_the_table_in_the_docs_has_every_option_of_flux_and_every_field() -> None:
    options = {"-a", "-A", "-n, --no-header", "--suppress-header", "-u, --user", "--name",
               "-q, --queue", "-i, --include", "-c, --count", "--since", "-f, --filter",
               "-o, --format", "-w, --width", "--sort", "--json", "--color", "-R, --recursive",
               "--recurse-all", "-L, --level", "--threads", "--stats", "--stats-only",
               "--from-stdin"}  # fmt: skip
    here_only = {name for name, said in in_the_docs().items() if said.startswith("only here")}
    assert options == set(in_the_docs()) - here_only
    text = (ROOT / "docs" / "flux-jobs.md").read_text(encoding="utf-8")
    for name in fields._FIELDS:
        assert f"`{name}`" in text, name


def test_the_table_in_the_docs_has_the_options_that_the_program_has() -> None:
    taken = {
        name
        for option in list_command.command.params
        if isinstance(option, click.Option) and option.name not in {"db", "debug"}
        for name in option.opts
    }
    said = {
        name
        for names, text in in_the_docs().items()
        if not text.startswith("not here")
        for name in names.split(", ")
    }
    assert taken == said


def test_what_the_table_says_of_files_and_exit_codes(stored: Command) -> None:
    said = in_the_docs()
    assert "refused" in said["-R, --recursive"]
    assert stored.run("list", "--from-stdin").status == 2
    assert stored.run("list", "f21").status == 1
    assert stored.run("list", "--stats-only", "--since", "1790000000").status == 2

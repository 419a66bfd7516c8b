# SPDX-License-Identifier: LGPL-3.0
"""What the documentation says is true: examples run, commands, options and files are there."""

from __future__ import annotations

import re
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

import flux_jobdb
from cli.main import COMMANDS
from eventstore.ingest.writer import Writer
from eventstore.storage.connection import create_or_open
from eventstore.storage.sql import fetch
from flux_jobdb import INACTIVE, Job, Put
from joblist.config import SETTINGS, Config, from_tables, read_tables
from projections.definitions.registry import BUILTIN
from projections.engine.rebuild import refresh
from projections.engine.views import Views
from tests.support import accounting_db
from tests.support.docs import command_reference, console
from tests.support.journal_generator import journal

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = Path(flux_jobdb.HOME)
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/**/*.md", "examples/**/*.md", "bench/*.md", "tests/*/*.md")
    for path in ROOT.glob(pattern)
)


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def test_the_example_projection_is_short_and_counts() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", read("docs/projections.md"), re.DOTALL)
    assert read("examples/site_views/site_views.py") == code
    names: dict[str, object] = {}
    exec(compile(code, "docs/projections.md", "exec"), names)

    assert len(code.splitlines()) <= 41
    with create_or_open(":memory:") as store:
        plain = Views(store, BUILTIN)
        Writer(store, "test", plain).append(journal(300))
        both = Views(store, [*BUILTIN, names["node_hours"]])  # type: ignore[list-item]
        assert refresh(both) == ["node_hours"]
        expected = fetch(
            store.db,
            "SELECT userid, count(*) FROM inactive WHERE t_run > 0 GROUP BY 1 ORDER BY 1",
        )
        assert expected == fetch(
            store.db, "SELECT userid, sum(jobs) FROM node_hours_by_day GROUP BY 1 ORDER BY 1"
        )
        assert len(expected) > 3


def test_the_entry_point_shown_is_the_examples() -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", read("docs/projections.md"), re.DOTALL)
    assert block in read("examples/site_views/pyproject.toml")


def test_the_settings_shown_are_the_settings(tmp_path: Path) -> None:
    page = read("docs/broker-module.md").partition("\n## Settings\n")[2]
    (block,) = re.findall(r"\n\n((?:    .+\n|\n)+)\n\| setting", page)
    (tmp_path / "config.toml").write_text(textwrap.dedent(block), "utf-8")
    config = from_tables(read_tables(str(tmp_path / "config.toml")))
    assert (
        Config(dbpath="/var/lib/flux/jobdb.sqlite", cluster="tuolumne") == config
    )  # the rest are defaults
    described = re.findall(r"^\| `([\w-]+)` \|", page.partition("\n## What")[0], re.MULTILINE)
    assert {*SETTINGS, "private-mode"} == set(described)


class Finished:
    """What the page's consumer reads."""

    name = "finished"
    version = 1
    schema = "CREATE TABLE finished (seq INTEGER PRIMARY KEY, jobid INTEGER);"

    def rows(self, job: Job) -> Iterator[Put]:
        if job.state == INACTIVE:
            yield Put("finished", (job.seq, job.id))


def test_the_example_consumer_reads_each_job_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", read("docs/accounting.md"), re.DOTALL)
    module = ModuleType("site_jobs")
    module.finished = Finished()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "site_jobs", module)
    monkeypatch.chdir(tmp_path)
    with create_or_open("jobdb.sqlite") as store:
        views = Views(store, [*BUILTIN, Finished()])
        refresh(views)
        Writer(store, "test", views).append(journal(300))
        expected = fetch(store.db, "SELECT seq, jobid FROM finished ORDER BY seq")
    exec(compile(code, "docs/accounting.md", "exec"), {})
    assert [f"{seq} {jobid}" for seq, jobid in expected] == capsys.readouterr().out.splitlines()
    assert len(expected) > 200

    exec(compile(code, "docs/accounting.md", "exec"), {})
    assert capsys.readouterr().out == ""


# -- commands and options


@pytest.mark.parametrize("page", PAGES)
def test_commands_that_a_page_names_exist(page: str) -> None:
    named = re.findall(r"(?:flux-jobdb|flux jobdb) (?:--db \S+ )?([a-z]+)\b", read(page))
    assert set(named) - set(COMMANDS) == set()


def test_the_changes_name_every_command() -> None:
    (said,) = re.findall(
        r"^- \*Command line\*: (.*?)\.\n", read("CHANGELOG.md"), re.MULTILINE | re.DOTALL
    )
    assert sorted(re.findall(r"`(\w+)`", said)) == sorted(COMMANDS)


def test_pages_are_linked_from_the_readme_or_from_one_another() -> None:
    texts = {page: read(page) for page in PAGES}
    for page in PAGES:
        name = Path(page).name if "/" in page else page
        others = "".join(text for other, text in texts.items() if other != page)
        assert page == "README.md" or re.search(rf"\]\(([\w./-]*/)?{name}[)#]", others), page


def test_every_command_has_a_section_with_its_options() -> None:
    """The blocks are written by ``python -m tests.support.docs.command_reference``."""
    page = read("docs/commands.md")
    headings = re.findall(r"^## ([a-z]+)$", page, re.MULTILINE)
    assert sorted(COMMANDS) == sorted(headings)
    for name in COMMANDS:
        assert f"## {name}\n\n{command_reference.block(name)}\n" in page


# -- console blocks


def of_the_demo(folder: Path, patch: pytest.MonkeyPatch) -> None:
    (folder / "build" / "demo").mkdir(parents=True)
    (folder / "tests").symlink_to(ROOT / "tests")
    patch.setenv("FLUX_JOBDB", "build/demo/jobdb.sqlite")


def of_accounting(folder: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("FLUX_JOBDB", str(folder / "jobdb.sqlite"))
    recorded = ROOT / "tests" / "data" / "mixed" / "journal.jsonl.gz"
    console.output(f"flux-jobdb ingest '{recorded}'", folder)
    accounting_db.create(folder / "FluxAccounting.db", 34)


def of_commands(folder: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("FLUX_JOBDB", str(folder / "jobdb.sqlite"))
    recorded = ROOT / "tests" / "data" / "private" / "journal.jsonl.gz"
    console.output(f"flux-jobdb ingest '{recorded}'", folder)


ENVIRONMENTS: dict[str, Callable[[Path, pytest.MonkeyPatch], None]] = {
    "README.md": of_the_demo,
    "docs/accounting.md": of_accounting,
    "docs/commands.md": of_commands,
}


@pytest.mark.parametrize("page", ENVIRONMENTS)
def test_console_blocks_are_what_is_printed(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ENVIRONMENTS[page](tmp_path, monkeypatch)
    for command, shown in console.commands(read(page)):
        printed = console.output(command, tmp_path)
        while shown and not shown[-1]:  # the empty line before the next command
            shown.pop()
        assert console.matches(shown, printed), "\n".join([command, *printed])


def test_every_page_with_a_console_block_is_run() -> None:
    assert set(ENVIRONMENTS) == {page for page in PAGES if "```console" in read(page)}


def test_what_next_is_what_the_demo_prints() -> None:
    pattern = r"What next:\n\n((?: {4}.*\n)+)"
    (readme,) = re.findall(pattern, read("README.md"))
    (demo,) = re.findall(pattern, read("docs/demo.sh"))
    assert readme == demo


# -- links and files


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere_and_stand_once(page: str) -> None:
    text = read(page)
    links = re.findall(r"\]\(([^)#\s]+)(#[^)]*)?\)", text)
    for link, _ in links:
        if "://" not in link:
            assert (ROOT / page).parent.joinpath(link).exists(), link
    if page == "README.md":
        assert [] == [link for link, count in Counter(links).items() if count > 1]


def files_named(text: str) -> Iterator[str]:
    """Yield what a text calls by the name of a source file or of one of our folders."""
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    quoted = "\n".join(re.findall(r"`([^`\n]+)`", prose))
    yield from re.findall(r"(?<![\w./$-])[\w./-]+\.(?:py|sql|sh|toml|md|service)\b", quoted)
    folders = r"eventstore|projections|joblist|cli|flux_jobdb|tests|bench|docs|examples|etc"
    yield from re.findall(rf"(?<![\w./$-])(?:{folders})/[\w./-]*", text)


ELSEWHERE = {
    "job-list.sql",  # a method of the service
    # flux-core's
    "list.c", "job_state.c", "flux-jobs.toml",
    # written where flux-jobdb is used
    "modprobe.d/flux-jobdb.toml", "PATH/job-list.py", "registry.py",
    # in the wheel only (test_wheel.py)
    "flux_jobdb/etc",
}  # fmt: skip


def exists(name: str, page: str) -> bool:
    """Whether a name is a path from the root or the page, a file's own name, or made there."""
    places = [ROOT, PACKAGES, PACKAGES.parent, (ROOT / page).parent]
    if name.startswith("build/") or any((place / name).exists() for place in places):
        return True
    return "/" not in name and any(
        any(place.glob(f"{folder}/**/{name}"))
        for place in (ROOT, PACKAGES)
        for folder in (*flux_jobdb.FOLDERS, "tests", "bench", "docs", "etc", "examples")
    )


@pytest.mark.parametrize("page", PAGES)
def test_files_that_a_page_names_exist(page: str) -> None:
    named = {name.rstrip(".") for name in files_named(read(page))} - ELSEWHERE
    assert [] == sorted(name for name in named if not exists(name, page))


def test_before_a_commit_runs_what_make_check_runs() -> None:
    (recipe,) = re.findall(
        r"^check: \$\(READY\)\n((?:\t.*\n)+)", read("Makefile"), re.MULTILINE
    )
    steps = [line.strip().replace("$(BIN)", ".venv/bin") for line in recipe.splitlines()]
    entries = re.findall(r"^ +entry: (.*)$", read(".pre-commit-config.yaml"), re.MULTILINE)
    assert len(steps) >= 3
    assert steps == entries

# SPDX-License-Identifier: LGPL-3.0
"""A site's projection that raises is left behind by itself; all else goes on."""

from __future__ import annotations

import shutil

import pytest

from tests.support.command import PACKAGES, Command
from tests.support.field_jobs import job, recorded

CASE = recorded("odd-clocks")
_WHOLE = '''
from projections.definitions.interface import Add, Put
class Site:
    name = "site"
    version = 1
    schema = """
        CREATE TABLE site_jobs (job INTEGER PRIMARY KEY, name TEXT);
    """
    def rows(self, job):
        yield Put("site_jobs", (job.key, job.name))
site = Site()
'''
_ROWS = '        yield Put("site_jobs", (job.key, job.name))'
_SCHEMA = "CREATE TABLE site_jobs (job INTEGER PRIMARY KEY, name TEXT);"


def _with(rows: str) -> str:
    return _WHOLE.replace(_ROWS, "        " + rows)


AT_LOAD = {
    "at import": 'raise RuntimeError("boom: import")',
    "by a mistake of grammar": "boom: def",
    "by leaving": 'raise SystemExit("boom: exit")',
    "by what it imports": "import boom_is_not_installed",
    "as its object is made": _WHOLE.replace("class Site:", "class Site:\n    boom = 1 / 0"),
    "without a name": _WHOLE.replace('name = "site"', "boom = 1"),
    "without rows": _WHOLE.replace("def rows", "def boom"),
    "without a schema": _WHOLE.replace("schema =", "boom ="),
    "as nothing": "boom = site = None",
    "under a name that is taken": _WHOLE.replace('name = "site"', 'name = "stats"'),
}
AT_SCHEMA = {
    "by its property": _WHOLE.replace(
        "    version = 1", "    version = 1\n    boom = property(lambda self: 1 / 0)"
    ).replace("schema =", "_s =").replace("boom", "schema"),
    "by its grammar": _WHOLE.replace(_SCHEMA, "CREATE TABLE site_jobs (job boom boom,);"),
    "by another statement": _WHOLE.replace(_SCHEMA, "DROP TABLE event;"),
    "by a table of ours": _WHOLE.replace("site_jobs", "event"),
}  # fmt: skip
AT_ROWS = {
    "always": _with('raise ValueError("boom: rows")'),
    "by leaving": _with('raise SystemExit("boom: rows")'),
    "at one job": _with('1 / (job.id != 83886080); yield Put("site_jobs", (job.key, "x"))'),
    "at the end": _with('1 / (job.state != 64); yield Put("site_jobs", (job.key, "x"))'),
    "by recursion": _with("return self.rows(job)"),
    "with too few columns": _with('yield Put("site_jobs", (job.key,))'),
    "with what is no column": _with('yield Put("site_jobs", (job.key, object()))'),
    "into no table": _with('yield Put("boom", (job.key, job.name))'),
    "with what is no row": _with('yield "boom"'),
    "with no rows": _with("return 5"),
    "with the same key twice": _with(
        'yield Put("site_jobs", (job.key, "a")); yield Put("site_jobs", (job.key, "b"))'
    ),
    "with a wide number": _with('yield Put("site_jobs", (job.key, 2**70))'),
    "with half a character": _with('yield Put("site_jobs", (job.key, "\\ud800"))'),
}
KINDS = (
    {f"at load {k}": v for k, v in AT_LOAD.items()}
    | {f"at schema {k}": v for k, v in AT_SCHEMA.items()}
    | {f"at rows {k}": v for k, v in AT_ROWS.items()}
)


class Site:
    """An environment in which a projection is installed."""

    def __init__(self, jobdb: Command) -> None:
        self.jobdb = jobdb
        self.folder = jobdb.folder / "site"
        (self.folder / "site_view-1.dist-info").mkdir(parents=True)
        info = self.folder / "site_view-1.dist-info"
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: site-view\nVersion: 1\n")
        (info / "entry_points.txt").write_text(
            "[flux_jobdb.projections]\nsite = site_view:site\n"
        )
        self.env = {
            "LC_ALL": "C.UTF-8",
            "PYTHONPATH": f"{PACKAGES}:{self.folder}",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def install(self, text: str) -> None:
        (self.folder / "site_view.py").write_text(text)

    def remove(self) -> None:
        shutil.rmtree(self.folder)

    def __call__(self, *words: str, **how: object) -> str:
        done = self.jobdb(*words, env=self.env, **how)  # type: ignore[arg-type]
        self.err = done.err
        return done.out

    def states(self) -> dict[str, dict[str, str]]:
        """Return what `projections` says, by name."""
        rows = self.jobdb("projections", "--json", env=self.env).objects
        return {row["name"]: row for row in rows}

    def state(self) -> dict[str, str]:
        """Return what `projections` says of it."""
        return self.states()["site"]


@pytest.fixture
def site(jobdb: Command) -> Site:
    return Site(jobdb)


def test_a_sound_one_is_filled(site: Site) -> None:
    site.install(_WHOLE)
    site.jobdb("ingest", "-", stdin=b"\n".join(CASE), env=site.env)
    assert site.state()["state"] == "current"


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_named_and_everything_else_goes_on(site: Site, kind: str) -> None:
    site.install(KINDS[kind])
    site("ingest", "-", stdin=b"\n".join(CASE))
    assert "80 events new" in site.err
    assert site.err.count("projection") == 1  # once, by its name
    assert len(site("list", "-Aa", "--no-header").splitlines()) == 8
    states = site.states()
    assert states["site"]["state"] == "failed"
    assert states["site"]["reason"]
    assert states["stats"]["state"] == "current"


@pytest.mark.parametrize(
    "words",
    [
        "history 16777216",
        "accounting --json",
        "stats",
        "verify",
    ],
)
def test_no_command_stops(site: Site, words: str) -> None:
    site.install(KINDS["at rows always"])
    site.jobdb.ingest(CASE)  # from before it was installed
    assert site(*words.split())


def test_one_that_fails_later_is_left_where_it_was(site: Site) -> None:
    site.install(_with('1 / (job.name != "bad"); yield Put("site_jobs", (job.key, job.name))'))
    site("ingest", "-", stdin=b"\n".join(CASE))
    assert site.state()["state"] == "current"
    reached = site.state()["checkpoint"]
    site("ingest", "-", stdin=b"\n".join([*job(9), *job(10, name="bad"), *job(11)]))
    assert "30 events new" in site.err
    assert (site.state()["state"], site.state()["checkpoint"]) == ("failed", reached)
    assert "ZeroDivisionError" in site.state()["reason"]
    site("ingest", "-", stdin=b"\n".join(job(12)))
    assert "10 events new" in site.err
    assert len(site("list", "-Aac0", "--no-header").splitlines()) == 12


def test_rebuild_tries_again(site: Site) -> None:
    site.install(KINDS["at rows at one job"])
    site("ingest", "-", stdin=b"\n".join(CASE))
    site("rebuild", "site", status=1)
    assert "site" in site.err
    assert site.state()["state"] == "failed"
    site.install(_WHOLE)
    site("rebuild", "site")
    assert site.state()["state"] == "current"
    site("verify")


def test_a_newer_version_is_tried_by_itself(site: Site) -> None:
    site.install(KINDS["at rows at one job"])
    site("ingest", "-", stdin=b"\n".join(CASE))
    site.install(_WHOLE.replace("version = 1", "version = 2"))
    site("list", "-Aa")
    assert site.state()["state"] == "current"


def test_one_that_was_uninstalled_can_be_dropped(site: Site) -> None:
    site.install(_WHOLE)
    site("ingest", "-", stdin=b"\n".join(CASE))
    site.remove()
    assert site.state()["state"] == "unknown"
    site("projections", "--drop", "site")
    rows = site.jobdb("projections", "--json").objects
    assert "site" not in {row["name"] for row in rows}
    site("projections", "--drop", "site", status=1)
    site("projections", "--drop", "stats", status=1)  # it would be made anew at once
    site("verify")


_SMALL_CHUNKS = """
from projections.engine import rebuild
rebuild.rebuild.__kwdefaults__["chunk"] = 20
import os
os.cpu_count = lambda: 2
"""


@pytest.mark.parametrize(
    "kind",
    [
        "at rows at one job",
        "at rows by leaving",
        "at rows with what is no column",
        "at rows with a wide number",
        "at rows with the same key twice",
    ],
)
def test_one_that_fails_in_other_processes_is_left_behind(site: Site, kind: str) -> None:
    site.install(KINDS[kind])
    site.jobdb.ingest(CASE)  # from before it was installed
    done = site.jobdb("rebuild", env=site.env, status=1, script=_SMALL_CHUNKS)
    assert "rebuilt: active, inactive, accounting, stats" in done.out
    assert (1, True) == (done.err.count("projection"), "projection site:" in done.err)
    assert ["failed"] == [s["state"] for s in site.states().values() if s["state"] != "current"]
    site("verify")


def test_verify_names_one_that_fails_now(site: Site) -> None:
    site.install(_WHOLE)
    site("ingest", "-", stdin=b"\n".join(CASE))
    site.install(KINDS["at rows at one job"])  # another code of the same version
    site("verify", status=1)
    assert "projection site: fails now: ZeroDivisionError" in site.err


def test_a_table_that_a_rebuild_would_drop_is_refused(site: Site) -> None:
    site.install(_WHOLE.replace("site_jobs", "rebuild_jobs"))
    site("ingest", "-", stdin=b"\n".join(CASE))
    assert "rebuilds" in site.state()["reason"]


def test_a_table_without_a_key_is_refused(site: Site) -> None:
    site.install(_WHOLE.replace("INTEGER PRIMARY KEY", "INTEGER"))
    site("ingest", "-", stdin=b"\n".join(CASE))
    assert "PRIMARY KEY" in site.state()["reason"]


def test_a_cell_of_two_is_left_out_alone(site: Site) -> None:
    """A projection that fails takes no other one of the site with it."""
    info = site.folder / "site_view-1.dist-info" / "entry_points.txt"
    info.write_text(
        "[flux_jobdb.projections]\nsite = site_view:site\nother = other_view:site\n"
    )
    site.install(KINDS["at rows always"])
    other = _WHOLE.replace('name = "site"', 'name = "other"').replace("site_jobs", "other_jobs")
    (site.folder / "other_view.py").write_text(other)
    site("ingest", "-", stdin=b"\n".join(CASE))
    states = {name: row["state"] for name, row in site.states().items()}
    assert ("failed", "current") == (states["site"], states["other"])

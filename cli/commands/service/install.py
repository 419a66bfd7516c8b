# SPDX-License-Identifier: LGPL-3.0
"""``flux-jobdb install``."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import click

from cli.options import db_option
from cli.output.streams import say

_FILE = "flux-jobdb.toml"
_ENTRY = """\
# Written by `flux-jobdb install`; `flux-jobdb install --remove` deletes it.
# Flux loads this file in place of its own job-list module, from the next start on.
[job-list]
module = "{module}"
"""


@click.command(epilog="Example: sudo flux-jobdb install")
@db_option
@click.option(
    "--dir",
    "folder",
    metavar="DIR",
    help="Flux's modprobe folder [as Flux was built, mostly /etc/flux/modprobe].",
)
@click.option("--remove", is_flag=True, help="Take it back.")
def command(folder: str | None, remove: bool) -> None:
    """Put the broker module in job-list's place for good.

    Writes an entry for flux-modprobe(1), by which Flux loads the module when it starts, and
    says what was written and how to undo it. A running instance is left as it is.
    """
    from eventstore.errors import JobdbError  # noqa: PLC0415

    target = _folder(folder) / "modprobe.d" / _FILE
    try:
        if remove:
            target.unlink()
            say(f"removed {target}: Flux's own job-list is loaded at the next start")
            return
        module = _module()
        _check(module)
        _make_folder(target.parent)
        target.write_text(_ENTRY.format(module=module), encoding="utf-8")
        target.chmod(0o644)  # Flux reads it as another user, and the umask may be root's 077
    except OSError as error:
        raise JobdbError(f"{target}: {error.strerror}; check path and permissions") from error
    for line in (f"wrote {target}:", "", *_ENTRY.format(module=module).splitlines(), ""):
        say(line)
    say("It takes effect when Flux starts. In an instance that runs:")
    say(f"    flux module remove job-list && flux module load {module}")
    say("To undo it: flux-jobdb install --remove")


def _folder(given: str | None) -> Path:
    from eventstore.errors import JobdbError  # noqa: PLC0415

    if given is not None:
        return Path(given)
    flux = shutil.which("flux")
    if flux is None:
        raise JobdbError("flux is not on the PATH: name its modprobe folder with --dir")
    done = _run([flux, "config", "builtin", "confdir"])
    if done.returncode:
        raise JobdbError(f"flux config: {done.stderr.strip()}; name the folder with --dir")
    return Path(done.stdout.strip()) / "modprobe"


def _make_folder(folder: Path) -> None:
    if not folder.exists():
        _make_folder(folder.parent)
        folder.mkdir()
        folder.chmod(0o755)


def _module() -> str:
    import joblist  # noqa: PLC0415

    return str(Path(joblist.__file__).resolve().with_name("job-list.py"))


def _check(module: str) -> None:
    """See whether the Python that Flux runs modules with can run this one."""
    from eventstore.errors import JobdbError  # noqa: PLC0415

    flux = shutil.which("flux")
    if flux is None:
        say("flux is not on the PATH: not checked whether it can load the module")
        return
    code = "import runpy, sys; runpy.run_path(sys.argv[1]); import joblist.broker.entry"
    done = _run([flux, "python", "-c", code, module])
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise JobdbError(
            f"{module}: Flux's Python cannot load it ({reason}); install flux-jobdb in an "
            "environment of the same Python version, see docs/broker-module.md"
        )


def _run(words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603

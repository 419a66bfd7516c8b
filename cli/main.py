# SPDX-License-Identifier: LGPL-3.0
"""The program ``flux-jobdb``: finds the command, and turns errors into exit codes.

Exit status: 0 done; 1 could not be done (one line on standard error: what, where, what to
do); 2 wrong usage; 3 done, but some input was rejected.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import NamedTuple, cast

import click

__all__ = ["COMMANDS", "REJECTED", "Command", "cli", "main"]


class Command(NamedTuple):
    """A command: the folder of ``commands/`` that its file is in, and its line of help."""

    folder: str
    help: str


COMMANDS: dict[str, Command] = {
    "ingest": Command("store", "Store recorded journals, or the live one."),
    "list": Command("query", "List jobs, as `flux jobs` does."),
    "history": Command("query", "Show a job's events."),
    "info": Command("query", "Print a job's eventlog, jobspec or R."),
    "events": Command("query", "Print the stored events."),
    "rpc": Command("query", "Answer one of job-list's requests."),
    "serve": Command("service", "Answer job-list's requests, as a service of the instance."),
    "install": Command("service", "Put the broker module in job-list's place."),
    "projections": Command("store", "Show the views and their checkpoints."),
    "rebuild": Command("store", "Rebuild views from the events."),
    "verify": Command("store", "Prove that nothing stored was changed."),
    "backup": Command("store", "Copy the database while it is in use."),
    "recover": Command("store", "Copy what can be read of a damaged database."),
    "rejects": Command("store", "List what could not be stored, and why."),
    "gaps": Command("query", "List what is missing from the database, and why."),
    "accounting": Command("service", "Feed finished jobs to flux-accounting."),
    "consumers": Command("query", "Show how far the consumers of the feed have come."),
    "stats": Command("query", "Show sizes and counts."),
}

REJECTED = 3


class _Commands(click.Group):
    """The commands, imported when they are run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"cli.commands.{COMMANDS[cmd_name].folder}.{cmd_name}")
        return cast("click.Command", module.command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, found.help) for name, found in COMMANDS.items()])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--db", metavar="PATH", help="The database [$FLUX_JOBDB, else ./jobdb.sqlite].")
@click.version_option(package_name="flux-jobdb", prog_name="flux-jobdb")
@click.pass_context
def cli(ctx: click.Context, db: str | None) -> None:
    """An event-sourced job database for Flux.

    Every event of the job manager's journal is kept verbatim; lists, stats and accounting
    are derived from them.
    """
    ctx.obj = db


def main() -> None:
    """Run the program, and exit."""
    # eventstore is imported only when there is an error: --help does without it.
    try:
        sys.exit(cli.main(standalone_mode=False) or 0)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        sys.exit(2)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("flux-jobdb: interrupted; what was committed is stored", err=True)
        sys.exit(130)
    except BrokenPipeError:
        # The reader of the output (head, less) has gone. Python would report it again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        from eventstore.errors import JobdbError  # noqa: PLC0415

        if not isinstance(error, JobdbError):
            raise
        click.echo(f"flux-jobdb: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: LGPL-3.0
"""The program ``flux-jobdb``: finds the command, and turns errors into exit codes.

Exit status: 0 done; 1 could not be done (one line on standard error: what, where, what to
do); 2 wrong usage; 3 done, but some input was rejected; 130 interrupted. Where the reader of
the output has gone (head, less), that is no error: 0.
"""

from __future__ import annotations

import sys
import traceback
from importlib import import_module
from typing import NamedTuple, cast

import click

from cli.options import Invocation, db_option
from cli.output.streams import OutputFailed, abandon_output, guard, say

__all__ = ["COMMANDS", "REJECTED", "Command", "cli", "main"]


class Command(NamedTuple):
    """A command: the folder of ``commands/`` that its file is in, and its line of help."""

    folder: str
    help: str


COMMANDS: dict[str, Command] = {
    "ingest": Command("store", "Store recorded journals, or the live one."),
    "list": Command("query", "List jobs, as `flux jobs` does."),
    "history": Command("query", "Show a job's events."),
    "why": Command("query", "Say how a job ended, and what its nodes had to do with it."),
    "nodes": Command("query", "Show the nodes, or what became of them."),
    "info": Command("query", "Print a job's eventlog, jobspec or R."),
    "events": Command("query", "Print the stored events."),
    "rpc": Command("query", "Answer one of job-list's requests."),
    "sql": Command("query", "Ask in SQL."),
    "serve": Command("service", "Answer job-list's requests, as a service of the instance."),
    "install": Command("service", "Put the broker module in job-list's place."),
    "projections": Command("store", "Show the views and their checkpoints."),
    "rebuild": Command("store", "Rebuild views from the events."),
    "verify": Command("store", "Prove that nothing stored was changed."),
    "export": Command("store", "Export finished jobs as Parquet files."),
    "backup": Command("store", "Copy the database while it is in use."),
    "recover": Command("store", "Copy what can be read of a damaged database."),
    "rejects": Command("store", "List what could not be stored, and why."),
    "gaps": Command("query", "List what is missing from the database, and why."),
    "accounting": Command("service", "Feed finished jobs to flux-accounting."),
    "consumers": Command("query", "Show how far the consumers of the feed have come."),
    "publish": Command("service", "Publish events, jobs or nodes to Kafka."),
    "report": Command("query", "Report results, waiting times and usage of jobs."),
    "stats": Command("query", "Show sizes and counts."),
    "metrics": Command("query", "Print metrics for Prometheus."),
    "web": Command("service", "Serve the history as pages."),
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
@db_option
@click.version_option(package_name="flux-jobdb", prog_name="flux-jobdb")
def cli() -> None:
    """An event-sourced job database for Flux.

    Every event of the job manager's journal is kept verbatim; lists, stats and accounting
    are derived from them.
    """


def main(*words: str) -> None:
    """Run the program, and exit; with ``words``, in place of those that it was given."""
    if words:
        sys.argv = ["flux-jobdb", *words]
    guard()
    try:
        status = _run()
        sys.stdout.flush()
    except OutputFailed as error:
        abandon_output()
        status = 0 if error.reader_is_gone else 1
        if status:
            say(f"flux-jobdb: {error}", err=True)
    sys.exit(status)


def _run() -> int:
    """Run the command; returns the exit status. Raises OutputFailed, and nothing else."""
    invocation = Invocation()
    try:
        words = sys.argv[1:]
        if sum(word.startswith("--db") for word in words) > 1:
            from cli import several  # noqa: PLC0415 - few need it

            given = several.asked(words)
            if len(given.paths) > 1 and several.command_of(given) != several.BY_ITSELF:
                return several.run(given, cli)
            if len(given.paths) > 1:
                words, invocation.databases = given.words, several.by_cluster(given.paths)
        return int(cli.main(words, standalone_mode=False, obj=invocation) or 0)
    except OutputFailed:
        raise
    except click.exceptions.NoArgsIsHelpError as error:
        sys.stdout.write(error.format_message() + "\n")
        return error.exit_code
    except click.ClickException as error:
        _say_usage(error)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        say("flux-jobdb: interrupted; what was committed is stored", err=True)
        return 130
    except Exception as error:  # noqa: BLE001 - whatever it is, it becomes one line
        _say_failure(error, debug=invocation.debug)
        return 1


def _say_usage(error: click.ClickException) -> None:
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is not None:
        for line in context.get_usage().splitlines():
            say(line, err=True)
        option = context.help_option_names[-1]
        say(f"Try '{context.command_path} {option}' for help.", err=True)
        say("", err=True)
    # click lists choices on lines of their own.
    say(f"Error: {error.format_message()}".replace("\n\t", " "), err=True)


def _say_failure(error: Exception, *, debug: bool) -> None:
    # Imported only when there is an error: --help does without it.
    from eventstore.errors import JobdbError  # noqa: PLC0415

    if debug:
        for part in traceback.format_exception(error):
            for line in part.rstrip("\n").split("\n"):
                say(line, err=True)
    elif isinstance(error, JobdbError):
        say(f"flux-jobdb: {error}", err=True)
    else:
        found = f"unforeseen {type(error).__name__}: {error}"
        say(f"flux-jobdb: {found}; --debug shows where", err=True)


if __name__ == "__main__":
    main()

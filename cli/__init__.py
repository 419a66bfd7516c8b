# SPDX-License-Identifier: LGPL-3.0
"""The command line, ``flux-jobdb``: one command a file.

    main.py           the program: finds the command by its name, turns errors into exit codes
    options.py        options of all commands, and the argument types JOBID and TIME
    database.py       which database a command works on, and opening it with current views
    several.py        several databases, each asked by a process of its own
    instance.py       the Flux instance that the process runs in
    progress.py       progress of work that takes long
    output/           what is shown, and the streams that it goes to
    commands/         the commands
    input/            reading files and pipes, line by line
    flux_jobs/        options, fields, formats and texts of `flux jobs`
    sql/              what `sql` shows, and its shell
    accounting/       the feed of flux-accounting's database
    reports/          reports as tables, CSV, JSON and charts

``main`` imports a command only when it is run, and commands import what they need when they
run: ``--help`` loads neither SQLite nor Flux.
"""

__all__ = [
    "accounting",
    "commands",
    "database",
    "flux_jobs",
    "input",
    "instance",
    "main",
    "options",
    "output",
    "progress",
    "reports",
    "several",
    "sql",
]

# SPDX-License-Identifier: LGPL-3.0
"""Who asks: people. One command a file, under ``commands/``.

``main.py`` is the only place that turns errors into exit codes. It knows the commands by
name and a line of help, and imports one when it is run: `--help` answers at once.
"""

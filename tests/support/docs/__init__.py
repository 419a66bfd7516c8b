# SPDX-License-Identifier: LGPL-3.0
"""What keeps the documents true.

command_reference.py  writes the options of each command into docs/commands.md
bounds_table.py       writes the table of bounds into docs/broker-module.md
console.py            runs the commands of console blocks, and compares what they print
"""

__all__ = ["bounds_table", "command_reference", "console"]

# SPDX-License-Identifier: LGPL-3.0
"""SQL as people write it, on connections of our own.

functions.py    Flux's types as functions of SQL
list_tables.py  tables that are made of a list: hosts(list), ranks(set)
when.py         `when(…)`, although WHEN is a key word of SQL
statement.py    one statement: checked, run, and its errors in one line
"""

__all__ = ["functions", "list_tables", "statement", "when"]

# SPDX-License-Identifier: LGPL-3.0
"""Proving, copying and saving a store.

verify.py           recomputes the digest chain, and names the first fault
verify.sql          its queries
verify_process.py   the same in a process of its own
batch_contents.py   a batch read back, each row's columns checked
batch_contents.sql  its queries
integrity.py        SQLite's integrity check, and the schema
derived_rows.py     rows that no digest covers, as they follow from others
derived_rows.sql    its queries
backup.py           a verified copy of a store in use
salvage.py          reads what can be read of a damaged file
schema_pages.py     reads its list of tables without the pages that are damaged
trusted_rows.py     which of these rows can be trusted
recover.py          makes a new database of them, and names what is lost
recover.sql         its statements
"""

__all__ = [
    "backup",
    "batch_contents",
    "derived_rows",
    "integrity",
    "recover",
    "salvage",
    "schema_pages",
    "trusted_rows",
    "verify",
    "verify_process",
]

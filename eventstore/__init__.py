# SPDX-License-Identifier: LGPL-3.0
"""What happened: the append-only store of everything the job manager's journal said.

The way of a response through this folder:

    journal.py    bytes of one line  ->  Response, Purge or Reject     (pure)
    merge.py      which of its events are stored already, where do the others belong   (pure)
    append.py     one transaction per batch: rows, and whoever derives views
    chain.py      the batch's own row, with the digest that binds it to those before
    read.py       stored rows in the order of seq, or of one job
    verify.py     recomputes the chain and names the first fault

``store.py`` opens and locks the SQLite file that ``schema.sql`` describes, ``digest.py``
holds the rules of the chain, ``errors.py`` the errors. Nothing here knows of views.
"""

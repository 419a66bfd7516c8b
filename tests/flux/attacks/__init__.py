# SPDX-License-Identifier: LGPL-3.0
"""Guests, readers of the files and disks that attack the module in a running Flux.

    instance.py   an instance with the module in job-list's place, reached from outside
    clients.py    what runs as a process of its own inside Flux's Python: the innocent client,
                  a stream of jobs, an attacker
    payloads.py   expensive requests by name (pure)
    sampler.py    memory, descriptors and life of the module's processes
    siege.py      quiet and attacked periods by turns, and what must hold beside each attack
    history.py    the databases that the attacked modules have
    faults.py     system calls that fail (strace), memory that ends (prlimit), locks

Each test appends its figures to ``build/attacks/figures.jsonl``;
``python -m tests.flux.attacks.siege`` prints them as a table.
"""

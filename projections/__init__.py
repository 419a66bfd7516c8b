# SPDX-License-Identifier: LGPL-3.0
"""What is true: views that follow from the events, and questions to them.

In the order of an event's way, from its bytes to an answer:

    formats/      pure: the text forms of hostlists, idsets and JSON
    notation/     job ids, durations and times as people write them
    job/          pure: a job's state, and how each event changes it
    nodes/        pure: a node's state, and how events of the resource journal change it
    constraints/  pure: RFC 31 constraints, evaluated or turned into SQL
    public/       the views that people write SQL against
    node_views/   the views of nodes, folded from the resource module's notices
    definitions/  the projections: which rows follow from a job's state
    engine/       keeps the views up to date with the events, rebuilds and verifies them
    queries/      answers from the views, for now and for past moments
    node_queries/  the same for nodes
    reports/      figures by period and group: results, waiting times, usage
    sql/          SQL as people write it, with functions for Flux's types
"""

__all__ = [
    "constraints",
    "definitions",
    "engine",
    "formats",
    "job",
    "node_queries",
    "node_views",
    "nodes",
    "notation",
    "public",
    "queries",
    "reports",
    "sql",
]

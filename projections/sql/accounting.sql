-- SPDX-License-Identifier: LGPL-3.0
-- Finished jobs that ran, as flux-accounting's `jobs` table has them.
CREATE TABLE accounting (
    job        INTEGER PRIMARY KEY,
    id         INTEGER NOT NULL,
    userid     INTEGER NOT NULL,
    t_submit   REAL    NOT NULL,
    t_run      REAL    NOT NULL,
    t_inactive REAL    NOT NULL,
    ranks      TEXT,
    R          BLOB,
    jobspec    BLOB,
    project    TEXT,
    bank       TEXT,
    requested_duration REAL,
    actual_duration    REAL
);
CREATE INDEX accounting_by_time ON accounting (t_inactive, job);

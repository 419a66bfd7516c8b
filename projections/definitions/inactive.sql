-- SPDX-License-Identifier: LGPL-3.0
-- Inactive jobs: what constraints ask for as columns, and what job-list answers as JSON texts.
CREATE TABLE inactive (
    job        INTEGER PRIMARY KEY,
    jobid      INTEGER NOT NULL,
    userid     INTEGER NOT NULL,
    name       TEXT,
    queue      TEXT,
    result     INTEGER NOT NULL,
    t_submit   REAL    NOT NULL,
    t_depend   REAL,
    t_priority REAL,
    t_sched    REAL,
    t_run      REAL,
    t_cleanup  REAL,
    t_inactive REAL    NOT NULL,
    t_purged   REAL,            -- when the job manager forgot it
    ranks      TEXT,            -- also where the job never reached RUN and shows none
    nodelist   TEXT,
    answer     TEXT    NOT NULL -- all attributes, packed: see answer.py
);
CREATE INDEX inactive_by_time ON inactive (t_inactive, jobid);
CREATE INDEX inactive_by_jobid ON inactive (jobid);
CREATE INDEX inactive_by_userid ON inactive (userid, t_inactive, jobid);
CREATE INDEX inactive_by_name ON inactive (name, t_inactive, jobid);
CREATE INDEX inactive_by_queue ON inactive (queue, t_inactive, jobid);
CREATE INDEX inactive_by_result ON inactive (result, t_inactive, jobid);
CREATE INDEX inactive_by_purge ON inactive (t_purged) WHERE t_purged IS NOT NULL;

-- Their hosts, ranks and lifetimes as intervals of numbers: see spans.py.
CREATE TABLE span (
    kind       INTEGER NOT NULL,
    level      INTEGER NOT NULL,
    bucket     INTEGER NOT NULL,
    t_inactive REAL    NOT NULL,
    job        INTEGER NOT NULL,
    lo         INTEGER NOT NULL,
    hi         INTEGER NOT NULL,
    PRIMARY KEY (kind, level, bucket, t_inactive, job, lo, hi)
) WITHOUT ROWID;

-- SPDX-License-Identifier: LGPL-3.0
-- Inactive jobs: what constraints ask for as columns, and job-list's answer ready as text.
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
    answer     TEXT    NOT NULL -- all attributes, JSON
);
CREATE INDEX inactive_by_time ON inactive (t_inactive, jobid);
CREATE INDEX inactive_by_jobid ON inactive (jobid);

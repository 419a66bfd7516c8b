-- SPDX-License-Identifier: LGPL-3.0
-- Inactive jobs: job-list's attributes as columns, which constraints compare and the public view
-- `jobs` shows, and what job-list answers.
CREATE TABLE inactive (
    job        INTEGER PRIMARY KEY,
    jobid      INTEGER NOT NULL,
    stream     INTEGER NOT NULL,
    t_purged   REAL,            -- when the job manager purged it
    userid     INTEGER NOT NULL,
    urgency    INTEGER,
    priority   INTEGER,
    t_submit   REAL    NOT NULL,
    t_depend   REAL,
    t_priority REAL,
    t_sched    REAL,
    t_run      REAL,
    t_cleanup  REAL,
    t_inactive REAL    NOT NULL,
    name       TEXT,
    cwd        TEXT,
    queue      TEXT,
    project    TEXT,
    bank       TEXT,
    ntasks     INTEGER,
    ncores     INTEGER,
    duration   REAL,
    nnodes     INTEGER,
    ranks      TEXT,            -- also of a job that never reached RUN, whose answer has none
    nodelist   TEXT,            -- so, too
    success            INTEGER NOT NULL,
    exception_occurred INTEGER NOT NULL,
    exception_type     TEXT,
    exception_severity INTEGER,
    exception_note     TEXT,
    result     TEXT    NOT NULL,
    expiration REAL,
    waitstatus   INTEGER,
    dependencies TEXT,          -- a JSON array
    annotations_at   INTEGER,   -- where in `answer` the annotations are: the first character,
    annotations_size INTEGER,   -- counted from 1, and the number of characters
    answer     TEXT    NOT NULL, -- all attributes, packed (job/packing.py)
    t_free     REAL             -- when its resources were freed
);

-- Which one a question uses: constraints/sql_plan.py.
CREATE INDEX inactive_by_time ON inactive (t_inactive, jobid);
CREATE INDEX inactive_by_jobid ON inactive (jobid);
CREATE INDEX inactive_by_userid ON inactive (userid, t_inactive, jobid);
CREATE INDEX inactive_by_name ON inactive (name, t_inactive, jobid);
CREATE INDEX inactive_by_queue ON inactive (queue, t_inactive, jobid);
CREATE INDEX inactive_by_result ON inactive (result, t_inactive, jobid);
CREATE INDEX inactive_by_purge ON inactive (t_purged) WHERE t_purged IS NOT NULL;

-- Their hosts, ranks and lifetimes as intervals (constraints/interval_index.py).
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

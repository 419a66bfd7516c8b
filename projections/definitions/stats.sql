-- SPDX-License-Identifier: LGPL-3.0
-- Numbers of jobs by queue, as job-list.job-stats answers them.
CREATE TABLE stats (
    queue      TEXT    NOT NULL,
    all_queues INTEGER NOT NULL, -- 1: the sum over all jobs
    depend     INTEGER NOT NULL,
    priority   INTEGER NOT NULL,
    sched      INTEGER NOT NULL,
    run        INTEGER NOT NULL,
    cleanup    INTEGER NOT NULL,
    inactive   INTEGER NOT NULL,
    successful INTEGER NOT NULL,
    failed     INTEGER NOT NULL,
    canceled   INTEGER NOT NULL,
    timeout    INTEGER NOT NULL,
    -- the part of these that the job manager has purged
    purged_successful INTEGER NOT NULL,
    purged_failed     INTEGER NOT NULL,
    purged_canceled   INTEGER NOT NULL,
    purged_timeout    INTEGER NOT NULL,
    PRIMARY KEY (queue, all_queues)
);

-- Numbers of inactive jobs by the hour (seconds since the epoch / 3600) in which they ended, so
-- that the counts of a past moment need not be made job by job.
CREATE TABLE ended (
    hour       INTEGER NOT NULL,
    queue      TEXT    NOT NULL,
    all_queues INTEGER NOT NULL,
    successful INTEGER NOT NULL,
    failed     INTEGER NOT NULL,
    canceled   INTEGER NOT NULL,
    timeout    INTEGER NOT NULL,
    PRIMARY KEY (hour, queue, all_queues)
) WITHOUT ROWID;

-- Numbers of purged jobs by the hour of the purge.
CREATE TABLE purged_by_hour (
    hour       INTEGER NOT NULL,
    queue      TEXT    NOT NULL,
    all_queues INTEGER NOT NULL,
    successful INTEGER NOT NULL,
    failed     INTEGER NOT NULL,
    canceled   INTEGER NOT NULL,
    timeout    INTEGER NOT NULL,
    PRIMARY KEY (hour, queue, all_queues)
) WITHOUT ROWID;

-- Queues that a job has left: job-list goes on listing them, with zeros if need be.
CREATE TABLE left_queue (
    job   INTEGER NOT NULL,
    queue TEXT    NOT NULL,
    PRIMARY KEY (job, queue)
) WITHOUT ROWID;

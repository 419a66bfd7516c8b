-- SPDX-License-Identifier: LGPL-3.0
-- What finished jobs have used, and how they ended, summed up by hour (seconds since the epoch /
-- 3600). A job without a queue, bank or project has x'' there, which differs from ''.
CREATE TABLE report_hour (
    hour      INTEGER NOT NULL,
    queue     TEXT    NOT NULL,
    userid    INTEGER NOT NULL,
    bank      TEXT    NOT NULL,
    project   TEXT    NOT NULL,
    jobs      INTEGER NOT NULL, -- that ran in this hour, if only for a part of it
    started   INTEGER NOT NULL, -- those of them that began to run in it
    node_us   INTEGER NOT NULL, -- nodes x microseconds
    core_us   INTEGER NOT NULL, -- cores x microseconds
    completed INTEGER NOT NULL, -- that became inactive in this hour, whether they ran or not
    failed    INTEGER NOT NULL,
    canceled  INTEGER NOT NULL,
    timeout   INTEGER NOT NULL,
    PRIMARY KEY (hour, queue, userid, bank, project)
) WITHOUT ROWID;

-- The same by day (seconds since the epoch / 86400), for reports of a year. Times are in two
-- columns, whole seconds and the microseconds left over: those of a day exceed 64 bits.
CREATE TABLE report_day (
    day       INTEGER NOT NULL,
    queue     TEXT    NOT NULL,
    userid    INTEGER NOT NULL,
    bank      TEXT    NOT NULL,
    project   TEXT    NOT NULL,
    started   INTEGER NOT NULL, -- jobs that began to run in this day
    before    INTEGER NOT NULL, -- those that ran when it began
    node_s    INTEGER NOT NULL,
    node_us   INTEGER NOT NULL,
    core_s    INTEGER NOT NULL,
    core_us   INTEGER NOT NULL,
    completed INTEGER NOT NULL,
    failed    INTEGER NOT NULL,
    canceled  INTEGER NOT NULL,
    timeout   INTEGER NOT NULL,
    PRIMARY KEY (day, queue, userid, bank, project)
) WITHOUT ROWID;

-- Finished jobs that ran for too long, or on too much, for these sums (their results are in).
CREATE TABLE report_alone (
    job     INTEGER PRIMARY KEY,
    start   INTEGER NOT NULL, -- when it ran, in microseconds since the epoch
    finish  INTEGER NOT NULL,
    nodes   INTEGER NOT NULL,
    cores   INTEGER NOT NULL,
    queue   TEXT    NOT NULL,
    userid  INTEGER NOT NULL,
    bank    TEXT    NOT NULL,
    project TEXT    NOT NULL
);

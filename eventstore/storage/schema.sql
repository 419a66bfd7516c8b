-- SPDX-License-Identifier: LGPL-3.0
-- The event store. Rows are appended, never changed: triggers.sql refuses it.
-- (Comments inside of a statement are part of what SQLite stores: they stay as they are.)

-- A job. Job ids are unique within one stream only (one Flux instance with its restarts):
-- `stream` distinguishes jobs of the same id, counting from 1.
CREATE TABLE job (
    key    INTEGER PRIMARY KEY,
    jobid  INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    UNIQUE (jobid, stream)
);

-- An event, verbatim: what `data` leaves out follows from the other columns, to the byte
-- (events/compression.py). `seq` is the order of arrival; `notice` has numbers of the same
-- sequence.
CREATE TABLE event (
    seq       INTEGER PRIMARY KEY,
    job       INTEGER NOT NULL,  -- job.key
    timestamp REAL    NOT NULL,  -- seconds since the epoch, as in `data`
    name      TEXT    NOT NULL,  -- as in `data`
    replayed  INTEGER NOT NULL,  -- 1: known from a backlog only, whose contexts may be edited
    anchor    INTEGER,           -- in the job's order it stands behind this seq, 0: first;
                                 -- NULL: behind all of the job's events that were there
    data      BLOB    NOT NULL,
    form      INTEGER NOT NULL DEFAULT 0 -- 0: `data` is the text; else it is the context's
);
CREATE INDEX event_by_job ON event (job);

-- The jobspec of a response with `submit`, and the R of one with `alloc`: uncompressed, or
-- deflated with the one of seq `base` as dictionary (events/compression.py).
CREATE TABLE jobspec (seq INTEGER PRIMARY KEY, data BLOB NOT NULL, base INTEGER);
CREATE TABLE R       (seq INTEGER PRIMARY KEY, data BLOB NOT NULL, base INTEGER);

-- Messages that concern several jobs and are not events of them, by kind: 'purge' (the payload
-- of a job-purge-inactive event), 'boot' (another broker: {"boot":ID,"memos":{KEY:[SEQ,…]}}),
-- 'gone' (jobs that a complete backlog did not have: {"jobs":[KEY,…]}), 'cluster' (the name of
-- the cluster that all events are of: {"cluster":NAME}). Those that begin with
-- 'resource' are the resource module's events, and what else it sent
-- (events/resource_notices.py).
CREATE TABLE notice (
    seq    INTEGER PRIMARY KEY,
    time   REAL NOT NULL,        -- seconds since the epoch
    kind   TEXT NOT NULL,
    digest BLOB UNIQUE,          -- to recognise it when it comes again; NULL for some kinds
    data   BLOB NOT NULL
);
CREATE INDEX notice_by_time ON notice (kind, time);

-- Jobs that were purged, with the first purge that named them.
CREATE TABLE purged (
    job INTEGER PRIMARY KEY,     -- job.key
    seq INTEGER NOT NULL         -- notice.seq
);

-- Jobs that a complete backlog did not have: lost, or finished and purged unseen. An event of
-- the job that is stored later shows that the job is there after all.
CREATE TABLE gone (
    job INTEGER NOT NULL,        -- job.key
    seq INTEGER NOT NULL,        -- notice.seq
    PRIMARY KEY (job, seq)
);

-- One run of reading: a file, or a connection to a broker.
CREATE TABLE source (
    source  INTEGER PRIMARY KEY,
    name    TEXT NOT NULL,       -- path, '-' or the broker's URI
    boot    TEXT,                -- which boot of the broker it comes from, where known
    started REAL NOT NULL,
    ended   REAL,                -- NULL: still going, or died
    outcome TEXT                 -- how it ended
);

-- The rows that one transaction appended, as a link of the digest chain: see events/digest_chain.py.
CREATE TABLE batch (
    batch     INTEGER PRIMARY KEY,
    source    INTEGER NOT NULL,
    first     INTEGER NOT NULL,  -- seq of its rows: first..last; empty where last < first
    last      INTEGER NOT NULL,
    rejects   INTEGER NOT NULL,
    committed REAL    NOT NULL,
    checks    BLOB    NOT NULL,  -- a CRC-32 a row, so that a fault can be named
    digest    BLOB    NOT NULL
);

-- Lines that could not be stored as events, verbatim, with the reason.
CREATE TABLE reject (
    reject INTEGER PRIMARY KEY,
    batch  INTEGER NOT NULL,
    jobid  INTEGER,
    reason TEXT NOT NULL,
    digest BLOB NOT NULL UNIQUE, -- to recognise what is here already
    data   BLOB NOT NULL
);

-- SPDX-License-Identifier: LGPL-3.0
-- What is known of each node now. NULL: not known. `twin` counts brokers of the same host.
CREATE TABLE node (
    host     TEXT    NOT NULL,
    twin     INTEGER NOT NULL,
    rank     INTEGER,          -- NULL: it is not in the instance
    up       INTEGER,
    torpid   INTEGER,
    excluded INTEGER,
    drained  REAL,             -- since when
    reason   TEXT,
    unknown  TEXT,             -- why something is not known
    PRIMARY KEY (host, twin)
) WITHOUT ROWID;

-- Intervals by node and kind: drained, offline, torpid, excluded, absent, unknown. Those of one
-- kind do not overlap. Times are in seconds since the epoch; `t_to` NULL: it lasts.
CREATE TABLE node_history (
    host   TEXT    NOT NULL,
    twin   INTEGER NOT NULL,
    kind   TEXT    NOT NULL,
    t_from REAL    NOT NULL,
    t_to   REAL,
    since  REAL,               -- of a drain: its time, which reasons may outlast
    reason TEXT,
    ended  TEXT,               -- of a drain: how
    PRIMARY KEY (host, twin, kind, t_from)
) WITHOUT ROWID;
CREATE INDEX node_history_open ON node_history (host, twin) WHERE t_to IS NULL;

-- The state that counts, all the time: absent, unknown, excluded, offline, drained, torpid, up.
CREATE TABLE node_time (
    host   TEXT    NOT NULL,
    twin   INTEGER NOT NULL,
    t_from REAL    NOT NULL,
    t_to   REAL,
    state  TEXT    NOT NULL,
    PRIMARY KEY (host, twin, t_from)
) WITHOUT ROWID;
CREATE INDEX node_time_open ON node_time (host, twin) WHERE t_to IS NULL;

-- Loads of the resource module: each began with a restart event, and ended: clean, lost,
-- unknown. `why` says what is not known from `ended` on; NULL: nothing.
CREATE TABLE node_load (
    restart REAL PRIMARY KEY,
    ended   REAL,
    how     TEXT,
    why     TEXT
);

-- All nodes after all inputs up to `time`, of which there were `inputs` (MessagePack, deflated).
CREATE TABLE node_snapshot (
    time   REAL    PRIMARY KEY,
    inputs INTEGER NOT NULL,
    data   BLOB    NOT NULL
);

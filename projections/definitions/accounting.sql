-- SPDX-License-Identifier: LGPL-3.0
-- Finished jobs that ran, in the order in which what is known of them came. jobspec and R
-- stand in the event store, under these seqs.
CREATE TABLE accounting (
    seq         INTEGER PRIMARY KEY, -- of the job's events, the last to be stored
    job         INTEGER NOT NULL,
    id          INTEGER NOT NULL,
    userid      INTEGER NOT NULL,
    t_submit    REAL    NOT NULL,
    t_run       REAL    NOT NULL,
    t_inactive  REAL    NOT NULL,
    ranks       TEXT,
    R_seq       INTEGER,
    jobspec_seq INTEGER,
    R           BLOB,                -- where it was updated
    updates     BLOB                 -- of jobspec: an array of the events' contexts, or NULL
);

-- SPDX-License-Identifier: LGPL-3.0
-- Finished jobs that ran, in the order in which their last events were stored. jobspec and R
-- are in the event store's tables, at the seqs given here.
CREATE TABLE accounting (
    seq         INTEGER PRIMARY KEY, -- the highest seq of the job's events
    job         INTEGER NOT NULL,
    id          INTEGER NOT NULL,
    userid      INTEGER NOT NULL,
    t_submit    REAL    NOT NULL,
    t_run       REAL    NOT NULL,
    t_inactive  REAL    NOT NULL,
    ranks       TEXT,
    R_seq       INTEGER,
    jobspec_seq INTEGER,
    R           BLOB,                -- if it was updated
    updates     BLOB                 -- of jobspec: an array of the contexts of its updates, or NULL
);

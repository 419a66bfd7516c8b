-- SPDX-License-Identifier: LGPL-3.0
-- Active jobs: as many rows as there are jobs that are not finished.
CREATE TABLE active (
    job      INTEGER PRIMARY KEY,
    jobid    INTEGER NOT NULL,
    userid   INTEGER NOT NULL,
    state    INTEGER NOT NULL,
    data     BLOB    NOT NULL   -- the Job, as MessagePack
);
CREATE INDEX active_by_jobid ON active (jobid);

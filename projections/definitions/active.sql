-- SPDX-License-Identifier: LGPL-3.0
-- Active jobs: those that are neither new nor inactive. Their states are in `fold`.
CREATE TABLE active (
    job   INTEGER PRIMARY KEY,
    jobid INTEGER NOT NULL
);
CREATE INDEX active_by_jobid ON active (jobid);

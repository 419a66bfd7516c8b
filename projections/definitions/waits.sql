-- SPDX-License-Identifier: LGPL-3.0
-- How many jobs waited for how long until they ran, by queue (x'': none) and bucket.
CREATE TABLE wait_bucket (
    queue   TEXT    NOT NULL,
    bucket  INTEGER NOT NULL, -- the first one of BUCKETS (waits.py) that the wait is not above
    jobs    INTEGER NOT NULL,
    wait_ms INTEGER NOT NULL, -- of these jobs together
    PRIMARY KEY (queue, bucket)
) WITHOUT ROWID;

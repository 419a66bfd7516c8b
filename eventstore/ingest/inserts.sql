-- SPDX-License-Identifier: LGPL-3.0

-- name: append_event
INSERT INTO event (seq, job, timestamp, name, replayed, anchor, data, form)
VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: append_jobspec
INSERT INTO jobspec (seq, base, data)
VALUES (?, ?, ?);

-- name: append_R
INSERT INTO R (seq, base, data)
VALUES (?, ?, ?);

-- name: append_notice
INSERT INTO notice (seq, time, kind, digest, data)
VALUES (?, ?, ?, ?, ?);

-- name: append_reject
-- Nothing where one of the same digest is stored already.
INSERT OR IGNORE INTO reject (batch, jobid, reason, digest, data)
VALUES (?, ?, ?, ?, ?);

-- name: append_batch
INSERT INTO batch (batch, source, committed, first, last, rejects, checks, digest)
VALUES (?, ?, ?, ?, ?, ?, ?, ?);

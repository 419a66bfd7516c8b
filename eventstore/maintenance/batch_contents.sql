-- SPDX-License-Identifier: LGPL-3.0
-- What a batch appended: rows with seq between ? and ?, or rejects of the batch ?.

-- name: events_of_batch
SELECT seq, job, jobid, stream, replayed, anchor, timestamp, name, form, data
FROM event LEFT JOIN job ON key = job
WHERE seq BETWEEN ? AND ?
ORDER BY seq;

-- name: jobspecs_of_batch
-- Each with the bytes of its base, and whether that has a base itself.
SELECT p.seq, p.data, p.base, b.data, b.base
FROM jobspec p LEFT JOIN jobspec b ON b.seq = p.base
WHERE p.seq BETWEEN ? AND ?
ORDER BY p.seq;

-- name: Rs_of_batch
SELECT p.seq, p.data, p.base, b.data, b.base
FROM R p LEFT JOIN R b ON b.seq = p.base
WHERE p.seq BETWEEN ? AND ?
ORDER BY p.seq;

-- name: notices_of_batch
SELECT seq, time, kind, data FROM notice
WHERE seq BETWEEN ? AND ?
ORDER BY seq;

-- name: rejects_of_batch
SELECT reject, jobid, reason, data FROM reject
WHERE batch = ?
ORDER BY reject;

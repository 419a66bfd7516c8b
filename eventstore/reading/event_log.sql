-- SPDX-License-Identifier: LGPL-3.0

-- name: events_between
-- Events with seq in (?, ?], of the jobs with key % ? = ?.
SELECT e.seq, job, jobid, stream, replayed, anchor, timestamp, name, form, e.data
FROM event e JOIN job ON key = job
WHERE e.seq > ? AND e.seq <= ? AND e.job % ? = ?
ORDER BY e.seq;

-- name: jobspecs_between
-- Each with the bytes of its base, NULL if it has none.
SELECT p.seq, p.data, b.data
FROM jobspec p LEFT JOIN jobspec b ON b.seq = p.base
WHERE p.seq > ? AND p.seq <= ?
ORDER BY p.seq;

-- name: Rs_between
SELECT p.seq, p.data, b.data
FROM R p LEFT JOIN R b ON b.seq = p.base
WHERE p.seq > ? AND p.seq <= ?
ORDER BY p.seq;

-- name: notices_between
SELECT seq, time, kind, data FROM notice
WHERE seq > ? AND seq <= ?
ORDER BY seq;

-- name: boots
SELECT seq, time, kind, data FROM notice
WHERE kind = 'boot'
ORDER BY seq;

-- name: events_of_jobs
-- Of the job keys in a JSON array, up to a seq, with jobspec and R and the keys of their bases.
SELECT e.seq, job, jobid, stream, replayed, anchor, timestamp, name, form, e.data,
       j.data, j.base, r.data, r.base
FROM event e JOIN job ON key = job
     LEFT JOIN jobspec j ON j.seq = e.seq LEFT JOIN R r ON r.seq = e.seq
WHERE job IN (SELECT value FROM json_each(?)) AND e.seq <= ?
ORDER BY job, e.seq;

-- name: purges_of_jobs
SELECT job, n.seq, time
FROM purged p JOIN notice n ON n.seq = p.seq
WHERE job IN (SELECT value FROM json_each(?)) AND p.seq <= ?
ORDER BY job, p.seq;

-- name: losses_of_jobs
SELECT job, n.seq, time
FROM gone g JOIN notice n ON n.seq = g.seq
WHERE job IN (SELECT value FROM json_each(?)) AND g.seq <= ?
ORDER BY job, g.seq;

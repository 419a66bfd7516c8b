-- SPDX-License-Identifier: LGPL-3.0

-- name: jobs_of_id
SELECT key, stream FROM job
WHERE jobid = ?
ORDER BY stream;

-- name: extent_of_job
-- How many events, the highest timestamp, and the first timestamp of submit.
SELECT count(*), max(timestamp), min(CASE WHEN name = 'submit' THEN timestamp END)
FROM event
WHERE job = ?;

-- name: events_of_job
SELECT seq, anchor, timestamp, name, replayed, form, data FROM event
WHERE job = ?
ORDER BY seq;

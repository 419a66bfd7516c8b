-- SPDX-License-Identifier: LGPL-3.0

-- name: purged_job
SELECT key FROM job
WHERE jobid = ? AND EXISTS (SELECT 1 FROM event WHERE job = key AND seq < ?)
ORDER BY stream DESC LIMIT 1;

-- name: notices
SELECT seq, time, kind, digest, data FROM notice
ORDER BY seq;

-- name: rejects
SELECT reject, batch, jobid, reason, digest, data FROM reject
ORDER BY reject;

-- name: jobs_without_events
SELECT key, jobid FROM job
WHERE NOT EXISTS (SELECT 1 FROM event WHERE job = key)
LIMIT 1;

-- name: sources
SELECT source, name, boot, started, ended, outcome FROM source
ORDER BY source;

-- name: batches_without_source
SELECT batch FROM batch b
WHERE NOT EXISTS (SELECT 1 FROM source s WHERE s.source = b.source)
LIMIT 1;

-- SPDX-License-Identifier: LGPL-3.0

-- name: append_purged
-- Of the jobs with this id, the last one is purged; only the first purge of a job counts.
INSERT OR IGNORE INTO purged (job, seq)
SELECT key, ? FROM job
WHERE jobid = ?
ORDER BY stream DESC LIMIT 1;

-- SPDX-License-Identifier: LGPL-3.0

-- name: jobs
-- Each job with the id ?, given twice: (key, state) of those that are active; of inactive ones
-- (key, NULL), when they were purged, the user, and the packed values.
SELECT job, data, NULL, NULL, NULL FROM active JOIN fold USING (job) WHERE jobid = ?
UNION ALL
SELECT job, NULL, t_purged, userid, answer FROM inactive WHERE jobid = ?;

-- name: inactive
-- The same of the inactive ones.
SELECT job, NULL, t_purged, userid, answer FROM inactive WHERE jobid = ?;

-- name: newest_purged
-- 1 if the newest job with an id is inactive and purged, else no row.
SELECT 1 FROM inactive
WHERE job = (SELECT max(key) FROM job WHERE jobid = ?) AND t_purged NOT NULL;

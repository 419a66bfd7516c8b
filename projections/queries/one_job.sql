-- SPDX-License-Identifier: LGPL-3.0

-- name: active
-- Key and encoded state of each active job with an id.
SELECT job, data FROM active JOIN fold USING (job) WHERE jobid = ?;

-- name: inactive
-- Each inactive job with an id.
SELECT job, t_purged, userid, answer FROM inactive WHERE jobid = ?;

-- name: newest_purged
-- 1 if the newest job with an id is inactive and purged, else no row.
SELECT 1 FROM inactive
WHERE job = (SELECT max(key) FROM job WHERE jobid = ?) AND t_purged NOT NULL;

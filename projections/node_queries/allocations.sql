-- SPDX-License-Identifier: LGPL-3.0
-- Rows are (job id, t_run, t_free, ranks, nodelist); t_free is NULL while the job has its hosts.

-- name: one_of_inactive
SELECT jobid, t_run, coalesce(t_free, t_inactive), ranks, nodelist FROM inactive
WHERE job = ? AND t_run NOT NULL AND nodelist NOT NULL;

-- name: active
SELECT data FROM active JOIN fold USING (job);

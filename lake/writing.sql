-- SPDX-License-Identifier: LGPL-3.0

-- name: job
SELECT jobs.* FROM job JOIN jobs ON id = job.jobid AND jobs.stream = job.stream
WHERE job.key = ?;

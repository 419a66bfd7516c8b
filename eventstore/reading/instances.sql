-- SPDX-License-Identifier: LGPL-3.0

-- name: submissions
-- (job id, timestamp of `submit`) of jobs whose keys are in the JSON array ?.
SELECT jobid, timestamp FROM job JOIN event ON event.job = job.key
WHERE job.key IN (SELECT value FROM json_each(?)) AND event.name = 'submit';

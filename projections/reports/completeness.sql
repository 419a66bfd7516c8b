-- SPDX-License-Identifier: LGPL-3.0

-- name: beginnings
-- Time of the first stored event of each job whose submit is not stored: those are in no view,
-- which is quicker to see than that the event is not there.
SELECT (SELECT min(timestamp) FROM event WHERE event.job = key)
FROM job
WHERE NOT EXISTS (SELECT 1 FROM inactive
                  WHERE inactive.jobid = job.jobid AND inactive.job = key)
  AND NOT EXISTS (SELECT 1 FROM active WHERE active.job = key)
  AND NOT EXISTS (SELECT 1 FROM event WHERE event.job = key AND name = 'submit');

-- name: all_shown
-- 1 where as many jobs are in the views as there are: counting takes no time.
SELECT (SELECT count(*) FROM job)
     = (SELECT count(*) FROM inactive) + (SELECT count(*) FROM active);

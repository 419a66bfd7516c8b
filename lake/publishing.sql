-- SPDX-License-Identifier: LGPL-3.0

-- name: jobs
-- (seq of what is new, the columns of jobs) of the finished jobs that have an event, or were
-- purged, in (?, ?].
SELECT new.seq, jobs.*
FROM (SELECT job, max(seq) AS seq
      FROM (SELECT job, seq FROM event WHERE seq > ? AND seq <= ?
            UNION ALL SELECT job, seq FROM purged WHERE seq > ? AND seq <= ?)
      GROUP BY job) AS new
JOIN job ON job.key = new.job
JOIN jobs ON jobs.id = job.jobid AND jobs.stream = job.stream
WHERE jobs.state = 'INACTIVE'
ORDER BY new.seq;

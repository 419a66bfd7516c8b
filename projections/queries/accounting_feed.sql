-- SPDX-License-Identifier: LGPL-3.0

-- name: finished_jobs
-- With ? < seq <= ?, of those that ended after ?: what the view has of them, and R and jobspec as
-- they are stored, each with the payload that it is a difference to.
SELECT a.seq, id, userid, t_submit, t_run, t_inactive, ranks,
       r.data, rb.data, j.data, jb.data, a.R, updates
FROM accounting a
LEFT JOIN R r ON r.seq = R_seq LEFT JOIN R rb ON rb.seq = r.base
LEFT JOIN jobspec j ON j.seq = jobspec_seq LEFT JOIN jobspec jb ON jb.seq = j.base
WHERE a.seq > ? AND a.seq <= ? AND t_inactive > ? ORDER BY a.seq;

-- name: unordered
-- (key, id, seq) of those of finished_jobs with two times that cannot be subtracted, the last ? as
-- in projections/job/clock.py. In the order of arrival: where events came late, that is not the
-- job's own, and clock.py has to decide.
SELECT job, id, a.seq FROM accounting a
WHERE a.seq > ?1 AND a.seq <= ?2 AND t_inactive > ?3 AND EXISTS (
    SELECT 1 FROM (SELECT timestamp AS later, lag(timestamp) OVER (ORDER BY e.seq) AS earlier
                   FROM event e WHERE e.job = a.job)
    WHERE later < earlier OR (earlier < ?4 AND later >= ?4)
) ORDER BY a.seq;

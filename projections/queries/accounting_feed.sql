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

-- name: times_of_row
-- (job, timestamp) of each event of the row with seq ?.
SELECT e.job, timestamp FROM accounting a JOIN event e ON e.job = a.job
WHERE a.seq = ? ORDER BY e.seq;

-- SPDX-License-Identifier: LGPL-3.0

-- name: finished_jobs
-- With ? < seq <= ?, of those that ended after ?: what the view has of them, and R and jobspec as
-- they are stored, each with the key of its base.
SELECT a.seq, id, userid, t_submit, t_run, t_inactive, ranks,
       r.data, r.base, j.data, j.base, a.R, updates
FROM accounting a LEFT JOIN R r ON r.seq = R_seq LEFT JOIN jobspec j ON j.seq = jobspec_seq
WHERE a.seq > ? AND a.seq <= ? AND t_inactive > ? ORDER BY a.seq;

-- SPDX-License-Identifier: LGPL-3.0
-- The jobs meant are those of accounting_feed.sql: with ?1 < seq <= ?2 that ended after ?3.

-- name: extent
-- How many there are, and a seq before which none of them has an event. From the beginning, that
-- is the beginning.
SELECT count(*), coalesce(CASE WHEN ?1 > 0 THEN
    min((SELECT min(e.seq) FROM event e WHERE e.job = a.job)) END, 1)
FROM accounting a
WHERE a.seq > ?1 AND a.seq <= ?2 AND t_inactive > ?3;

-- name: breaks
-- Events with ?1 <= seq < ?2 that are followed by an earlier one, or by none, or whose clock was
-- not set at ?3.
SELECT a.seq FROM event a LEFT JOIN event b ON b.seq = a.seq + 1
WHERE a.seq >= ?1 AND a.seq < ?2
  AND (b.seq IS NULL OR b.timestamp < a.timestamp OR a.timestamp < ?3)
ORDER BY a.seq;

-- name: lives
-- (seq of the first event, seq) of each job.
SELECT (SELECT min(e.seq) FROM event e WHERE e.job = a.job), seq FROM accounting a
WHERE a.seq > ?1 AND a.seq <= ?2 AND t_inactive > ?3
ORDER BY a.seq;

-- name: unordered
-- (key, id, seq) of those jobs, given the seqs as a JSON array, with two times that cannot be
-- subtracted, with ?2 as in projections/job/clock.py. In the order of arrival: where events came
-- late, that is not the job's own, and clock.py has to decide.
SELECT job, a.id, a.seq FROM json_each(?1) JOIN accounting a ON a.seq = value
WHERE EXISTS (
    SELECT 1 FROM (SELECT timestamp AS later, lag(timestamp) OVER (ORDER BY e.seq) AS earlier
                   FROM event e WHERE e.job = a.job)
    WHERE later < earlier OR (earlier < ?2 AND later >= ?2)
) ORDER BY a.seq;

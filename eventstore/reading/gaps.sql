-- SPDX-License-Identifier: LGPL-3.0
-- Each query lists the gaps of one kind.

-- name: beginning
-- (job id, timestamp of the first stored event)
SELECT jobid, (SELECT min(timestamp) FROM event WHERE job = key)
FROM job
WHERE NOT EXISTS (SELECT 1 FROM event WHERE job = key AND name = 'submit');

-- name: backlog
-- (job id, timestamps of the first event and of the last one that only a backlog showed)
SELECT jobid, (SELECT min(timestamp) FROM event WHERE job = key),
       (SELECT max(timestamp) FROM event WHERE job = key AND replayed)
FROM job
WHERE (SELECT replayed FROM event WHERE job = key ORDER BY seq LIMIT 1);

-- name: gone
-- (job id, timestamp of its last event, time of the notice). Where an event of the job was
-- stored later, the job is there after all.
SELECT jobid, (SELECT max(timestamp) FROM event e WHERE e.job = g.job), n.time
FROM gone g JOIN job ON key = g.job JOIN notice n ON n.seq = g.seq
WHERE NOT EXISTS (SELECT 1 FROM event e WHERE e.job = g.job AND e.seq > g.seq);

-- name: source
-- (name, outcome, time of its last batch, start of the next source of its name), but for the
-- source that is being read: ?.
SELECT name, outcome,
       coalesce((SELECT max(committed) FROM batch b WHERE b.source = s.source), started),
       (SELECT min(started) FROM source o WHERE o.source > s.source AND o.name = s.name)
FROM source s
WHERE (ended IS NULL OR outcome NOT IN ('done', 'recovered', 'refused')) AND source != ?;

-- name: damage
-- (stored seq, next stored seq) where there are missing ones in between, with the timestamps
-- of the events before and behind them.
SELECT seq, next,
       (SELECT timestamp FROM event e WHERE e.seq <= hole.seq ORDER BY e.seq DESC LIMIT 1),
       (SELECT timestamp FROM event e WHERE e.seq >= hole.next ORDER BY e.seq LIMIT 1)
FROM (SELECT seq, lead(seq) OVER (ORDER BY seq) AS next
      FROM (SELECT 0 AS seq UNION ALL SELECT seq FROM event UNION ALL SELECT seq FROM notice
            UNION ALL SELECT max(last) + 1 FROM batch)) AS hole
WHERE next > seq + 1;

-- name: batches_with_losses
-- (number, seqs that are missing, checks, how many of these are of rows that are stored) of the
-- batches that have a seq in [?, ?].
SELECT batch,
       last - first + 1 - (SELECT count(*) FROM event WHERE seq BETWEEN first AND last)
                        - (SELECT count(*) FROM notice WHERE seq BETWEEN first AND last),
       checks,
       (SELECT count(*) FROM event WHERE seq BETWEEN first AND last)
       + (SELECT count(*) FROM jobspec WHERE seq BETWEEN first AND last)
       + (SELECT count(*) FROM R WHERE seq BETWEEN first AND last)
FROM batch
WHERE last >= ? AND first <= ?;

-- name: being_read
-- The newest source, unless it has ended.
SELECT source FROM source
WHERE source = (SELECT max(source) FROM source) AND ended IS NULL;

-- name: how_begun
-- One row of the jobs behind ?: the highest of them, a JSON array of those whose submit is not
-- stored; how many of the others, and of these, a backlog showed first.
WITH begun AS (
    SELECT job.key AS key, replayed,
           name = 'submit'
           OR EXISTS (SELECT 1 FROM event AS other
                      WHERE other.job = job.key AND other.name = 'submit') AS has_submit
    FROM job LEFT JOIN event ON seq = (SELECT min(seq) FROM event AS first
                                       WHERE first.job = job.key)
    WHERE job.key > ?
)
SELECT coalesce(max(key), 0), json_group_array(key) FILTER (WHERE has_submit IS NOT 1),
       count(*) FILTER (WHERE has_submit AND replayed),
       count(*) FILTER (WHERE has_submit IS NOT 1 AND replayed)
FROM begun;

-- name: how_these_begun
-- The same of the jobs in a JSON array.
WITH begun AS (
    SELECT job.key AS key, replayed,
           EXISTS (SELECT 1 FROM event AS other
                   WHERE other.job = job.key AND other.name = 'submit') AS has_submit
    FROM job LEFT JOIN event ON seq = (SELECT min(seq) FROM event AS first
                                       WHERE first.job = job.key)
    WHERE job.key IN (SELECT value FROM json_each(?))
)
SELECT coalesce(max(key), 0), json_group_array(key) FILTER (WHERE has_submit IS NOT 1),
       count(*) FILTER (WHERE has_submit AND replayed),
       count(*) FILTER (WHERE has_submit IS NOT 1 AND replayed)
FROM begun;

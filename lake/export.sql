-- SPDX-License-Identifier: LGPL-3.0

-- name: changed
-- (t_inactive, job) of the finished jobs that have an event, or were purged, in (?, ?].
SELECT t_inactive, job FROM inactive
WHERE job IN (SELECT job FROM event WHERE seq > ? AND seq <= ?
              UNION SELECT job FROM purged WHERE seq > ? AND seq <= ?)
ORDER BY t_inactive, job;

-- name: withdrawn
-- The jobs that have an event in (?, ?], had ended before, and are not finished now.
SELECT DISTINCT job FROM event AS new
WHERE seq > ?1 AND seq <= ?2 AND job NOT IN (SELECT job FROM inactive)
  AND EXISTS (SELECT 1 FROM event WHERE job = new.job AND seq <= ?1 AND name = 'clean');

-- name: kinds_of_notices
-- (kind, highest time) of what is in (?, ?].
SELECT kind, max(time) FROM notice WHERE seq > ? AND seq <= ? GROUP BY kind;

-- name: notices
SELECT seq, time, kind, data FROM notice WHERE seq > ? AND seq <= ? ORDER BY seq;

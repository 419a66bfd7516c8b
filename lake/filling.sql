-- SPDX-License-Identifier: LGPL-3.0

-- name: more_of_jobs
-- A row if something that concerns jobs is stored behind ?.
SELECT 1 WHERE EXISTS (SELECT 1 FROM event WHERE seq > ?)
OR EXISTS (SELECT 1 FROM notice WHERE seq > ? AND kind IN ('boot', 'gone', 'purge'));

-- name: end_of_source
-- The last seq of a source whose name is like ?, if it is the first one.
SELECT max(last) FROM batch
WHERE source = (SELECT source FROM source WHERE source = 1 AND name GLOB ?);

-- name: other_jobs
SELECT key FROM job
WHERE key NOT IN (SELECT job FROM temp.of_lake)
ORDER BY key;

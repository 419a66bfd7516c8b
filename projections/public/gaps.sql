CREATE VIEW gaps AS
WITH stored AS (
    SELECT 0 AS seq UNION ALL SELECT seq FROM event UNION ALL SELECT seq FROM notice
    UNION ALL SELECT max(last) + 1 FROM batch
),
hole AS (
    SELECT seq + 1 AS first, next - 1 AS last
    FROM (SELECT seq, lead(seq) OVER (ORDER BY seq) AS next FROM stored)
    WHERE next > seq + 1
),
loss AS ( -- batches that lost events, and the checksums of what they lost
    SELECT batch, first, last,
           last - first + 1 - (SELECT count(*) FROM event WHERE seq BETWEEN first AND last)
               - (SELECT count(*) FROM notice WHERE seq BETWEEN first AND last) AS missing,
           substr(checks, 1 + 4 * (
               (SELECT count(*) FROM event WHERE seq BETWEEN first AND last)
               + (SELECT count(*) FROM jobspec WHERE seq BETWEEN first AND last)
               + (SELECT count(*) FROM R WHERE seq BETWEEN first AND last))) AS checks
    FROM batch
)
SELECT 'beginning' AS kind, jobid, NULL AS since,
       (SELECT min(timestamp) FROM event WHERE job = key) AS until,
       'its first stored event is not submit' AS why, stream
FROM job
WHERE NOT EXISTS (SELECT 1 FROM event WHERE job = key AND name = 'submit')
UNION ALL
SELECT 'backlog', jobid, (SELECT min(timestamp) FROM event WHERE job = key),
       (SELECT max(timestamp) FROM event WHERE job = key AND replayed),
       'first seen in a backlog: live-only events and the original jobspec are not known', stream
FROM job
WHERE (SELECT replayed FROM event WHERE job = key ORDER BY seq LIMIT 1)
UNION ALL
SELECT 'gone', jobid, ended, max(ended, time),
       'a complete backlog did not have it: how it ended is not known', stream
FROM (SELECT jobid, stream, notice.time,
             (SELECT max(timestamp) FROM event WHERE event.job = gone.job) AS ended
      FROM gone JOIN job ON key = gone.job JOIN notice ON notice.seq = gone.seq
      WHERE NOT EXISTS (
          SELECT 1 FROM event WHERE event.job = gone.job AND event.seq > gone.seq))
UNION ALL
SELECT CASE WHEN ended IS NULL AND source = (SELECT max(source) FROM source)
            THEN 'reading' ELSE 'source' END,
       NULL,
       coalesce((SELECT max(committed) FROM batch WHERE batch.source = source.source), started),
       (SELECT min(started) FROM source AS other
        WHERE other.source > source.source AND other.name = source.name),
       'source ' || name || CASE
           WHEN ended IS NOT NULL THEN ' was closed before its end (' || outcome || ')'
           WHEN source = (SELECT max(source) FROM source)
           THEN ' is being read, or was never closed (crash or disconnect)'
           ELSE ' was never closed (crash or disconnect)' END,
       NULL
FROM source
WHERE ended IS NULL OR outcome NOT IN ('done', 'recovered', 'refused')
UNION ALL
SELECT 'damage', NULL,
       (SELECT timestamp FROM event WHERE seq < hole.first ORDER BY seq DESC LIMIT 1),
       (SELECT timestamp FROM event WHERE seq > hole.last ORDER BY seq LIMIT 1),
       'events ' || hole.first || ' to ' || hole.last || ' could not be recovered', NULL
FROM hole
WHERE NOT EXISTS (SELECT 1 FROM loss WHERE loss.last >= hole.first AND loss.first <= hole.last)
   OR EXISTS ( -- one that did not come again: no later batch has its checksum
    SELECT 1 FROM loss
    WHERE loss.last >= hole.first AND loss.first <= hole.last
      AND (length(loss.checks) != 4 * missing OR EXISTS (
          WITH RECURSIVE place (at) AS (
              SELECT 1 UNION ALL SELECT at + 4 FROM place WHERE at + 4 < length(loss.checks)
          )
          SELECT 1 FROM place
          WHERE NOT EXISTS (
              SELECT 1 FROM batch AS later
              WHERE later.batch > loss.batch
                AND instr(later.checks, substr(loss.checks, at, 4)) % 4 = 1))))

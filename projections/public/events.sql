CREATE VIEW events AS
SELECT seq, jobid, timestamp, name,
       CASE WHEN form != 0 THEN CAST(nullif(data, x'') AS TEXT)
            WHEN json_valid(CAST(data AS TEXT))
            THEN (SELECT value FROM json_each(CAST(data AS TEXT)) WHERE key = 'context')
       END AS context,
       stream
FROM event JOIN job ON job.key = event.job

CREATE VIEW jobs AS
SELECT jobid AS id, userid, urgency, priority,
       t_submit, t_depend, t_priority, t_sched, t_run, t_cleanup, t_inactive,
       CAST('INACTIVE' AS TEXT) AS state, name, cwd, queue, project, bank,
       ntasks, ncores, duration, nnodes,
       CAST(CASE WHEN t_run IS NOT NULL THEN ranks END AS TEXT) AS ranks,
       CAST(CASE WHEN t_run IS NOT NULL THEN nodelist END AS TEXT) AS nodelist,
       success, exception_occurred, exception_type, exception_severity, exception_note,
       result, expiration,
       CAST(substr(answer, annotations_at, annotations_size) AS TEXT) AS annotations,
       waitstatus, dependencies, t_purged, stream
FROM inactive
UNION ALL
SELECT jobid, userid, urgency, priority,
       t_submit, t_depend, t_priority, t_sched, t_run, t_cleanup, t_inactive,
       state, name, cwd, queue, project, bank,
       ntasks, ncores, duration, nnodes,
       ranks, nodelist,
       success, exception_occurred, exception_type, exception_severity, exception_note,
       result, expiration, annotations, waitstatus, dependencies,
       CAST(NULL AS REAL), stream
FROM active

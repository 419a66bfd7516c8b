CREATE VIEW usage AS
WITH RECURSIVE
single AS ( -- jobs that are in no sum: those that run, and those that ran for a month
    SELECT start, finish, nodes, cores, queue, userid, bank, project FROM report_alone
    UNION ALL
    SELECT CAST(t_run * 1000000 + 0.5 AS INTEGER),
           CAST(coalesce(t_cleanup, strftime('%s', 'now')) * 1000000 + 0.5 AS INTEGER),
           max(coalesce(nnodes, 0), 0), max(coalesce(ncores, 0), 0),
           coalesce(queue, x''), userid, coalesce(bank, x''), coalesce(project, x'')
    FROM active
    WHERE t_run IS NOT NULL AND t_run < strftime('%s', 'now') + 0
      AND (t_run >= 1e9 OR t_cleanup < 1e9)
),
part AS ( -- each hour of them, up to now
    SELECT start / 3600000000 AS hour, start, max(start, finish) AS finish,
           nodes, cores, queue, userid, bank, project
    FROM single
    UNION ALL
    SELECT hour + 1, start, finish, nodes, cores, queue, userid, bank, project
    FROM part
    WHERE (hour + 1) * 3600000000 < finish AND (hour + 1) * 3600 < strftime('%s', 'now') + 0
)
SELECT hour * 3600 AS hour, CAST(nullif(queue, x'') AS TEXT) AS queue, userid,
       CAST(nullif(bank, x'') AS TEXT) AS bank, CAST(nullif(project, x'') AS TEXT) AS project,
       jobs, started, node_us / 1e6 AS node_seconds, core_us / 1e6 AS core_seconds
FROM report_hour WHERE jobs > 0
UNION ALL
SELECT hour * 3600, nullif(queue, x''), userid, nullif(bank, x''), nullif(project, x''),
       1, hour = start / 3600000000,
       nodes * (min(finish, (hour + 1) * 3600000000) - max(start, hour * 3600000000)) / 1e6,
       cores * (min(finish, (hour + 1) * 3600000000) - max(start, hour * 3600000000)) / 1e6
FROM part

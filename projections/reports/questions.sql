-- SPDX-License-Identifier: LGPL-3.0

-- name: beginning
-- A time in microseconds since the epoch, in the hour or before in which the first job did
-- anything that reports show; NULL: none did.
SELECT min(first) FROM (
    SELECT min(hour) * 3600000000 AS first FROM report_hour
    UNION ALL SELECT min(start) FROM report_alone
    UNION ALL SELECT min(t_run) * 1000000 FROM active
);

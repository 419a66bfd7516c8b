-- SPDX-License-Identifier: LGPL-3.0
-- {p} stands for what is before the tables' names.

-- name: snapshot_before
-- (time, inputs, data) of the last snapshot that is older than a time.
SELECT time, inputs, data FROM {p}node_snapshot
WHERE time < ?
ORDER BY time DESC LIMIT 1;

-- name: save_snapshot
INSERT OR REPLACE INTO {p}node_snapshot (time, inputs, data)
VALUES (?, ?, ?);

-- name: open_intervals
SELECT host, twin, kind, t_from, reason, since FROM {p}node_history
WHERE t_to IS NULL;

-- name: open_states
SELECT host, twin, t_from, state FROM {p}node_time
WHERE t_to IS NULL;

-- name: save_load
-- How a load ended: (restart, ended, how, why).
INSERT OR REPLACE INTO {p}node_load (restart, ended, how, why)
VALUES (?, ?, ?, ?);

-- SPDX-License-Identifier: LGPL-3.0

-- name: inputs_of_kind
-- Notices of a kind with time in (?, ?].
SELECT time, seq, kind, data FROM notice
WHERE kind = ? AND time > ? AND time <= ?
ORDER BY time, seq;

-- name: events_between
-- Events with time in [?, ?).
SELECT time, seq, data FROM notice
WHERE kind = 'resource' AND time >= ? AND time < ?
ORDER BY time, seq;

-- name: backlog_at
SELECT data FROM notice
WHERE kind = 'resource-backlog' AND time = ?
ORDER BY seq;

-- name: next_restart
-- The time of the next restart event behind a time.
SELECT min(time) FROM notice
WHERE kind = 'resource-backlog' AND time > ?;

-- name: last_restart
-- The time of the last restart event before a time.
SELECT max(time) FROM notice
WHERE kind = 'resource-backlog' AND time < ?;

-- name: first_status
-- (time, data) of the first payload behind a time.
SELECT time, data FROM notice
WHERE kind = 'resource-status' AND time > ?
ORDER BY time, seq LIMIT 1;

-- name: has_status
-- A row if there is a payload with time > ? and seq < ?.
SELECT 1 FROM notice
WHERE kind = 'resource-status' AND time > ? AND seq < ?
LIMIT 1;

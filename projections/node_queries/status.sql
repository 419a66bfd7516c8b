-- SPDX-License-Identifier: LGPL-3.0

-- name: resources_between
-- Rs with a resource-define event in [?, ?], the last one first, the live one of two first.
SELECT data FROM notice
WHERE kind = 'resource-R' AND time >= ? AND time <= ?
ORDER BY time DESC, seq;

-- name: events_between
SELECT data FROM notice
WHERE kind = 'resource' AND time > ? AND time <= ?
ORDER BY time, seq;

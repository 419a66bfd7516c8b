-- SPDX-License-Identifier: LGPL-3.0

-- name: changes
-- Intervals of states that begin in [?, ?), by node and time.
SELECT host, twin, t_from, state FROM node_time
WHERE t_from >= ? AND t_from < ?
ORDER BY host, twin, t_from;

-- name: first
SELECT min(t_from) FROM node_time;

-- name: latest_event
-- The highest time of what the resource module sent.
SELECT max(time) FROM notice
WHERE kind = 'resource';

-- name: is_followed
-- A row while a source is being read.
SELECT 1 FROM source
WHERE source = (SELECT max(source) FROM source) AND ended IS NULL;

-- name: hours
-- The sums of the whole hours in [?, ?), hour by hour.
SELECT hour, allocated, idle, drained, offline, torpid, excluded, unknown FROM node_hour
WHERE hour >= ? AND hour < ?
ORDER BY hour;

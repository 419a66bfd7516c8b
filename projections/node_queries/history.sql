-- SPDX-License-Identifier: LGPL-3.0

-- name: intervals
-- Those that overlap [?, ?].
SELECT host, kind, t_from, t_to, reason, ended FROM node_history
WHERE t_from <= ? AND (t_to IS NULL OR t_to >= ?);

-- name: intervals_of_host
SELECT host, kind, t_from, t_to, reason, ended FROM node_history
WHERE t_from <= ? AND (t_to IS NULL OR t_to >= ?) AND host = ?;

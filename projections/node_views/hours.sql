-- SPDX-License-Identifier: LGPL-3.0

-- name: make
-- Node-time by state in whole hours (seconds since the epoch / 3600), in microseconds.
CREATE TABLE IF NOT EXISTS node_hour (
    hour      INTEGER PRIMARY KEY,
    allocated INTEGER NOT NULL,
    idle      INTEGER NOT NULL,
    drained   INTEGER NOT NULL,
    offline   INTEGER NOT NULL,
    torpid    INTEGER NOT NULL,
    excluded  INTEGER NOT NULL,
    unknown   INTEGER NOT NULL
);
-- Up to before which hour they are all there: one row.
CREATE TABLE IF NOT EXISTS node_settled (hour INTEGER NOT NULL);

-- name: add
INSERT INTO node_hour (hour, allocated, idle, drained, offline, torpid, excluded, unknown)
VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: outside
-- An hour outside [?, ?).
SELECT hour FROM node_hour WHERE hour < ? OR hour >= ? LIMIT 1;
